"""The door to the disk: refusals in plain words, writes in parts, and systems that block for a moment."""

from __future__ import annotations

import errno
import io
import os
import shutil

import pytest

from nimbus_sdk.errors import CoreInstallError
from nimbus_sdk.storage import fs, os_errors


class Windows:
    """The operating system's module as it looks on Windows, where a reader blocks a rename for a while."""

    name = "nt"

    def __init__(self, blocked: int) -> None:
        self.blocked = blocked

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def replace(self, source: str, target: str) -> None:
        """Rename, once nobody blocks it."""
        if self.blocked:
            self.blocked -= 1
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        os.replace(source, target)


def test_a_rename_waits_for_a_reader_on_windows(tmp_path, monkeypatch):
    """A virus scanner that holds the file for a moment does not fail the installation."""
    monkeypatch.setattr(fs, "os", Windows(blocked=3))
    monkeypatch.setattr(fs, "_REPLACE_WAIT_SECONDS", 0.001)
    path = str(tmp_path / "folder" / "current.json")
    fs.write_private(path, b"{}")
    assert os.listdir(tmp_path / "folder") == ["current.json"]


def test_a_rename_that_stays_blocked_is_told(tmp_path, monkeypatch):
    """After some tries the refusal passes on, and nothing is left beside the file."""
    monkeypatch.setattr(fs, "os", Windows(blocked=100))
    monkeypatch.setattr(fs, "_REPLACE_WAIT_SECONDS", 0.001)
    with pytest.raises(PermissionError):
        fs.write_private(str(tmp_path / "folder" / "current.json"), b"{}")
    assert os.listdir(tmp_path / "folder") == []


def test_a_write_in_parts_is_whole(tmp_path, monkeypatch):
    """The system may take fewer bytes than it is given."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    fs.write_synced(str(tmp_path / "file"), b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_refusal_is_told_even_where_the_space_is_unknown(tmp_path, monkeypatch):
    """A disk that answers nothing at all is still told of in our words."""

    def broken(folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    with pytest.raises(CoreInstallError, match=r"in /no/such/folder: ENOENT \(free space unknown\)"):  # noqa: SIM117
        with os_errors.disk_errors("/no/such/folder"):
            raise OSError(errno.ENOENT, "ENOENT")


def test_an_error_without_words_is_named(tmp_path):
    """Not every OSError carries a text."""
    with pytest.raises(CoreInstallError, match="UnsupportedOperation"), os_errors.disk_errors(str(tmp_path)):
        raise io.UnsupportedOperation


def test_a_regular_file_has_a_size_and_nothing_else_has(tmp_path):
    """Links, folders, absent files and names that cannot exist have none."""
    (tmp_path / "file").write_bytes(b"four")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert fs.regular_size(str(tmp_path / "file")) == 4
    for name in ("link", ".", "absent", "nul\0"):
        assert fs.regular_size(str(tmp_path / name)) is None


def test_a_pipe_is_no_file(tmp_path):
    """It is told at once, though nobody writes into it; a folder is none either, nor too large a file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"12345")
    for name in ("pipe", "large"):
        with pytest.raises(fs.NoFileError, match="no file, or larger than 4 bytes"):
            fs.read(str(tmp_path / name), 4)
    with pytest.raises(IsADirectoryError):
        fs.read(str(tmp_path), 4)
    assert fs.read(str(tmp_path / "absent"), 4) is None


def test_our_own_errors_pass_untouched(tmp_path):
    """Only what the disk refuses is turned into words about the disk."""
    with pytest.raises(ValueError, match="ours"), os_errors.disk_errors(str(tmp_path)):
        raise ValueError("ours")
