"""What attempts at a download leave behind is resumed by later ones, and removed in time."""

from __future__ import annotations

import errno
import os
import time

from nimbus_sdk.storage import fs
from tests.core.wheel.test_file_sink import CONTENT, SHA256, broken_off, content_range, folder, opened

__all__ = ["folder"]


def test_a_part_that_is_too_long_is_not_taken(folder):
    """More bytes than the file has cannot be its beginning."""
    folder.mkdir(parents=True)
    (folder / f"{SHA256}.part").write_bytes(bytes(1025))
    assert opened(folder).received == 0


def test_a_link_is_not_taken_for_a_part(folder, tmp_path):
    """A part is a file of our own, not a link to another."""
    folder.mkdir(parents=True)
    (tmp_path / "other").write_bytes(CONTENT[:10])
    (folder / f"{SHA256}.part").symlink_to(tmp_path / "other")
    assert opened(folder).received == 0
    assert (tmp_path / "other").read_bytes() == CONTENT[:10]


def test_a_part_that_vanishes_is_no_failure(folder, monkeypatch):
    """Another process may take a part first: then this one starts from nothing."""
    broken_off(folder, 600)
    (folder / f"{SHA256}.part").unlink()
    monkeypatch.setattr(fs, "regular_size", lambda path: 600 if path.endswith(f"{SHA256}.part") else None)
    sink = opened(folder)
    assert (sink.received, sink.resumed) == (0, False)


def test_the_longest_part_is_taken(folder):
    """Of what several processes left behind, the longest part is taken over."""
    broken_off(folder, 300)
    killed = opened(folder)
    killed.begin(206, content_range(300))
    killed.write(CONTENT[300:900])
    other = opened(folder)
    assert other.received == 900
    killed.set_aside()


def test_parts_of_killed_processes_go_in_time(folder):
    """Leftovers older than an hour are removed, younger ones may belong to a process at work."""
    folder.mkdir(parents=True)
    old, young, foreign = (
        folder / name for name in (f"{SHA256}.1-a.part", f"{SHA256}.2-b.part", f"{'0' * 64}.part")
    )
    for path in (old, young, foreign):
        path.write_bytes(CONTENT[:3])
    os.utime(old, (time.time() - 4000,) * 2)
    sink = opened(folder)
    assert not old.exists()
    assert young.exists()
    os.utime(young, (time.time() - 4000,) * 2)
    os.utime(foreign, (time.time() - 4000,) * 2)
    sink.discard()
    assert not young.exists()
    assert foreign.exists()


def test_parts_that_nobody_came_back_for_go(folder):
    """What was left of other files goes after a week, and nothing else in the folder."""
    folder.mkdir(parents=True)
    names = (f"{'0' * 64}.part", f"{'0' * 64}.etag", "notes.txt")
    for name in names:
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - 8 * 86_400,) * 2)
    opened(folder).discard()
    assert os.listdir(folder) == ["notes.txt"]


def test_a_leftover_that_cannot_be_removed_is_no_failure(folder, monkeypatch):
    """Tidying up after others never fails a download."""
    folder.mkdir(parents=True)
    (folder / f"{SHA256}.1-a.part").write_bytes(b"")
    os.utime(folder / f"{SHA256}.1-a.part", (0, 0))

    def refuse(path):
        raise PermissionError(errno.EACCES, "in use")

    sink = opened(folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        sink._partial.sweep()
