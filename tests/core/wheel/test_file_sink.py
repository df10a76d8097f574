"""A file arrives whole and right, however often the line breaks, or it is not used."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import random
import stat
import time
import tracemalloc
from pathlib import Path

import pytest

from nimbus_sdk.core.wheel.download import FileSink
from nimbus_sdk.errors import CoreDownloadError, CoreInstallError, CoreIntegrityError
from nimbus_sdk.storage import fs

CONTENT = bytes(range(256)) * 4
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ETAG = '"v1"'


@pytest.fixture
def folder(tmp_path):
    """The folder of partial files; it does not exist yet."""
    return tmp_path / "cache" / "downloads"


def download(folder: Path, content: bytes = CONTENT, **more) -> FileSink:
    """A download into that folder."""
    return FileSink(str(folder), "the wheel", len(content), hashlib.sha256(content).hexdigest(), **more)


def opened(folder: Path, **more) -> FileSink:
    """The same, with its file open."""
    sink = download(folder, **more)
    sink.open()
    return sink


def broken_off(folder: Path, count: int, etag: str | None = ETAG) -> None:
    """Leave a part of so many bytes behind."""
    sink = opened(folder)
    sink.begin(200, {"etag": etag} if etag else {})
    sink.write(CONTENT[:count])
    sink.set_aside()


def received_in_one_go(folder: Path) -> None:
    """A download without any fault."""
    sink = opened(folder)
    sink.begin(200, {})
    sink.write(CONTENT)


def content_range(start: int, size: int = len(CONTENT)) -> dict[str, str]:
    """The header of an answer with everything from a place on."""
    return {"content-range": f"bytes {start}-{size - 1}/{size}"}


def test_a_download_arrives_in_one_go(folder):
    """What was written is there, whole, and for this user alone."""
    reported = []
    sink = opened(folder, report=lambda *what: reported.append(what))
    assert sink.request_headers() == {}
    sink.begin(200, {"content-length": str(len(CONTENT)), "etag": ETAG})
    sink.write(CONTENT[:1000])
    sink.write(CONTENT[1000:])
    path = Path(sink.finish())
    assert path.read_bytes() == CONTENT
    assert reported == [(1000, 1024, None), (1024, 1024, None)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_discard_leaves_nothing(folder):
    """Once the file was used, nothing of it stays."""
    broken_off(folder, 10)
    sink = opened(folder)
    sink.begin(200, {"etag": ETAG})
    sink.write(CONTENT)
    sink.finish()
    sink.discard()
    assert os.listdir(folder) == []


def test_a_later_process_resumes(folder):
    """The part and its ETag are found by whoever comes next, who asks for the rest only."""
    broken_off(folder, 600)
    reported = []
    sink = opened(folder, report=lambda *what: reported.append(what))
    assert sink.request_headers() == {"Range": "bytes=600-", "If-Range": ETAG}
    assert reported == [(600, 1024, None)]
    sink.begin(206, content_range(600))
    sink.write(CONTENT[600:])
    assert sink.resumed
    assert Path(sink.finish()).read_bytes() == CONTENT


def test_a_pause_is_reported_with_what_there_is(folder):
    """Whoever watches sees why nothing moves, and when it goes on."""
    broken_off(folder, 600)
    reported = []
    opened(folder, report=lambda *what: reported.append(what)).pause(3.7)
    assert reported[-1] == (600, 1024, 3.7)


def test_progress_is_what_arrives_for_the_first_time(folder):
    """A whole file that begins again after 8 KiB is no progress until it is beyond them."""
    sink = opened(folder, content=bytes(20_000))
    seen = []
    for status, count in ((200, 8_000), (200, 8_000), (200, 12_000)):
        sink.begin(status, {})
        for _ in range(count // 1000):
            sink.write(bytes(1000))
        seen.append(sink.progress)
    assert seen == [1, 1, 2]


def test_a_later_attempt_resumes(folder):
    """A second attempt of the same process goes on in the same file."""
    sink = opened(folder)
    sink.begin(200, {"etag": ETAG})
    sink.write(CONTENT[:100])
    assert sink.request_headers() == {"Range": "bytes=100-", "If-Range": ETAG}
    sink.begin(206, {"content-range": "bytes 100-1023/*"})
    sink.write(CONTENT[100:])
    assert Path(sink.finish()).read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [None, 'W/"weak"', "bare", '"with space "', "x" * 300])
def test_without_a_strong_etag_the_digest_alone_decides(folder, etag):
    """A weak or malformed ETag is not sent; what comes is judged by its digest anyway."""
    broken_off(folder, 600, etag)
    assert opened(folder).request_headers() == {"Range": "bytes=600-"}


def test_an_etag_file_that_cannot_be_read_is_reported(folder):
    """A refusal by the disk while headers are made is one of ours."""
    broken_off(folder, 600, None)
    (folder / f"{SHA256}.etag").mkdir()
    with pytest.raises(CoreInstallError, match="directory"):
        opened(folder).request_headers()


def test_a_damaged_etag_file_is_not_sent(folder):
    """Nothing but an ETag can get from the side file into a header."""
    broken_off(folder, 600)
    (folder / f"{SHA256}.etag").write_bytes(b'"v1"\r\nX-Evil: 1')
    assert opened(folder).request_headers() == {"Range": "bytes=600-"}


def test_a_fresh_answer_starts_anew(folder):
    """200 means the whole file: what was there is not used, and the new ETag counts."""
    broken_off(folder, 600)
    sink = opened(folder)
    sink.begin(200, {"etag": '"v2"'})
    assert not sink.resumed
    sink.write(CONTENT[:5])
    assert sink.request_headers() == {"Range": "bytes=5-", "If-Range": '"v2"'}
    sink.write(CONTENT[5:])
    assert Path(sink.finish()).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes */1024",
        "bytes 0-1023/1024",
        "bytes 599-1023/1024",
        "bytes 601-1023/1024",
        "bytes 600-1000/1024",
        "bytes 600-1023/2048",
        "items 600-1023/1024",
        "bytes 600-1023/1024, bytes 0-1/1024",
        "bytes " + "9" * 5000 + "-1/1",
    ],
)
def test_a_part_that_does_not_fit_is_let_pass(folder, content_range):
    """A 206 for other bytes than were asked for is not mixed in: the next attempt asks for everything."""
    broken_off(folder, 600)
    sink = opened(folder)
    sink.begin(206, {"content-range": content_range})
    sink.write(b"other bytes")
    assert sink.received == 0
    assert sink.request_headers() == {}
    with pytest.raises(CoreDownloadError, match="0 of 1024"):
        sink.finish()
    sink.begin(200, {})
    sink.write(CONTENT)
    assert Path(sink.finish()).read_bytes() == CONTENT


def test_another_length_is_refused_before_the_part_is_lost(folder):
    """A login page in place of the file is reported as such, and what had arrived stays."""
    broken_off(folder, 600)
    sink = opened(folder)
    with pytest.raises(CoreDownloadError, match=r"34 bytes of 'text/html' were sent"):
        sink.begin(200, {"content-length": "34", "content-type": "text/html"})
    assert sink.received == 600


def test_a_length_that_is_no_number_is_not_believed(folder):
    """Only digits count as a length."""
    sink = opened(folder)
    sink.begin(200, {"content-length": "many"})
    sink.write(CONTENT)
    assert sink.finish()


def test_too_many_bytes_are_refused(folder):
    """A body that does not end is not written to the disk."""
    sink = opened(folder)
    sink.begin(200, {})
    sink.write(CONTENT)
    with pytest.raises(CoreIntegrityError, match="More than the 1024 bytes"):
        sink.write(b"x")
    assert sink.received == 0
    assert max(path.stat().st_size for path in folder.iterdir()) == 0


def test_an_incomplete_download_is_reported_as_such_and_stored(folder):
    """Length comes before digest: a broken line is no tampering."""
    sink = opened(folder)
    sink.begin(200, {"etag": ETAG})
    sink.write(CONTENT[:12])
    with pytest.raises(CoreDownloadError, match="is incomplete: 12 of 1024 bytes"):
        sink.finish()
    sink.set_aside()
    assert (folder / f"{SHA256}.part").read_bytes() == CONTENT[:12]


def test_a_wrong_digest_is_reported_and_nothing_is_stored(folder):
    """What does not match is not used, now or later."""
    sink = opened(folder)
    sink.begin(200, {"etag": ETAG})
    sink.write(bytes(1024))
    with pytest.raises(CoreIntegrityError, match="does not match what was published") as caught:
        sink.finish()
    assert SHA256 in caught.value.issues[0]
    sink.set_aside()
    assert not (folder / f"{SHA256}.part").exists()


def test_nothing_received_leaves_nothing(folder):
    """An attempt that got no byte leaves no file."""
    sink = opened(folder)
    sink.set_aside()
    sink.set_aside()
    assert os.listdir(folder) == []
    download(folder).set_aside()


def test_an_empty_file_is_complete_at_once(folder):
    """A file of no bytes needs none."""
    sink = opened(folder, content=b"")
    assert sink.complete
    assert Path(sink.finish()).read_bytes() == b""


def test_a_whole_part_needs_no_request(folder):
    """What arrived whole in a process that was killed then is not asked for again."""
    broken_off(folder, 1024)
    sink = opened(folder)
    assert sink.complete
    assert sink.request_headers() == {}
    assert Path(sink.finish()).read_bytes() == CONTENT


@pytest.mark.parametrize("sha256", ["", "../" * 22, "AB" * 32, "ab" * 31, "ab" * 32 + "\n"])
def test_a_digest_that_is_none_never_becomes_a_path(folder, sha256):
    """Only 64 hexadecimal digits name a file."""
    with pytest.raises(CoreIntegrityError):
        FileSink(str(folder), "the wheel", 1, sha256)


def test_bytes_before_open_are_a_slip_of_the_program(folder):
    """A sink is opened before it is written to."""
    with pytest.raises(RuntimeError):
        download(folder).write(b"x")


@pytest.mark.parametrize("failing", ["open", "write", "ftruncate", "mkdir"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_the_disk_refuses_is_reported_with_folder_and_space(folder, monkeypatch, failing, code):
    """Every refusal by the disk names the folder and the free space."""

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, refuse)
        with pytest.raises(CoreInstallError) as caught:
            received_in_one_go(folder)
    assert str(folder) in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert "MiB free" in str(caught.value)


def test_a_part_that_cannot_be_set_aside_is_found_all_the_same(folder, monkeypatch):
    """Where the rename is refused, the part keeps its own name and the next process finds it there."""
    sink = opened(folder)
    sink.begin(200, {})
    sink.write(CONTENT[:700])

    def refuse(*_):
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        sink.set_aside()
    assert opened(folder).received == 700


def fetch_alongside(folder: str, seed: int, barrier, results) -> None:
    """One of several processes that download the same file at once, with broken lines."""
    content = CONTENT * 300
    chance = random.Random(seed)
    sink = download(Path(folder), content)
    barrier.wait()
    while True:
        sink.open()
        start = sink.received
        if not sink.complete:
            sink.begin(206 if start else 200, content_range(start, len(content)) if start else {})
        place = start
        while place < len(content):
            if chance.random() < 0.02:
                break
            step = chance.randrange(1, 20_000)
            sink.write(content[place : place + step])
            place += step
        if sink.complete:
            with open(sink.finish(), "rb") as file:
                results.put(file.read() == content)
            return
        sink.set_aside()
        sink = download(Path(folder), content)


def test_processes_that_download_at_once_do_not_disturb_each_other(folder):
    """Each of two processes gets the whole file, right, whatever the other leaves or takes."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=fetch_alongside, args=(str(folder), seed, barrier, results))
        for seed in range(2)
    ]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=30) for _ in workers] == [True] * 2
    for worker in workers:
        worker.join(10)


def test_large_files_need_little_memory(folder):
    """16 MiB are hashed and written in less than 2 MiB of memory."""
    chunk = os.urandom(2**18)
    content_hash = hashlib.sha256()
    for _ in range(64):
        content_hash.update(chunk)
    tracemalloc.start()
    try:
        sink = FileSink(str(folder), "large", 16 * 2**20, content_hash.hexdigest())
        sink.open()
        sink.begin(200, {})
        for _ in range(64):
            sink.write(chunk)
        path = sink.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert os.path.getsize(path) == 16 * 2**20
    assert peak < 2 * 2**20


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
    monkeypatch.setattr(
        fs, "regular_file_size", lambda path: 600 if path.endswith(f"{SHA256}.part") else None
    )
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
