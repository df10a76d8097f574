"""The files of the audit trail: the one that is written, and the full ones before it."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.services.audit.entry import LONGEST_LINE, Seal
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.lock import Lock

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FIRST_POLL_SECONDS = 0.002
_LONGEST_POLL_SECONDS = 0.04


class TrailFiles:
    """Where one trail is kept.

    Args:
        paths: ``Paths.audit`` is its folder.
        name: Which trail, such as ``nimbus-os``.

    Example:
        >>> from nimbus_sdk.config.settings import Settings
        >>> TrailFiles(Settings(home="/srv/nimbus").paths, "nimbus-os").current
        '/srv/nimbus/state/audit/nimbus-os.jsonl'
    """

    def __init__(self, paths: Paths, name: str) -> None:
        self.folder = paths.audit
        self.current = os.path.join(self.folder, f"{name}.jsonl")
        self.seal = Seal(os.path.join(self.folder, f"{name}.seal"), paths.seal)
        self._name = name
        self._full = re.compile(rf"{re.escape(name)}\.(\d{{6,}})\.jsonl")

    def full(self) -> list[str]:
        """The files that are full, oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        try:
            found = [(self._full.fullmatch(entry), entry) for entry in os.listdir(self.folder)]
        except FileNotFoundError:
            return []
        numbered = sorted((int(match[1]), entry) for match, entry in found if match is not None)
        return [os.path.join(self.folder, entry) for _, entry in numbered]

    def set_full(self) -> None:
        """Put the current file behind the full ones.

        Raises:
            OSError: It cannot be renamed.
        """
        before = self.full()
        newest = self._full.fullmatch(os.path.basename(before[-1])) if before else None
        number = 1 if newest is None else int(newest[1]) + 1
        fs.rename(self.current, os.path.join(self.folder, f"{self._name}.{number:06d}.jsonl"))
        fs.sync_folder(self.folder)

    def open(self) -> int:
        """The current file's descriptor, for reading, and for writing at its end alone.

        Raises:
            OSError: It cannot be opened, is a link, or belongs to another user.
        """
        fs.make_private_folder(self.folder)
        descriptor = os.open(self.current, _FLAGS, fs.PRIVATE_FILE)
        try:
            _check_own(descriptor, self.current)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextmanager
    def alone(self, wait: float) -> Iterator[None]:
        """Nobody else writes meanwhile.

        Args:
            wait: Seconds to wait for those who do.

        Raises:
            OSError: The lock cannot be had, or not in time.
        """
        deadline, pause = time.monotonic() + wait, _FIRST_POLL_SECONDS
        with Lock(os.path.join(self.folder, f"{self._name}.lock")) as lock:
            while not lock.try_acquire():
                if time.monotonic() >= deadline:
                    raise TimeoutError(errno.ETIMEDOUT, f"others have been writing for more than {wait:g} s")
                time.sleep(pause)
                # A crowd that asks all the time leaves no time to the one that writes.
                pause = min(_LONGEST_POLL_SECONDS, pause * 1.5)
            yield


def last_line(descriptor: int, size: int) -> tuple[bytes, bool]:
    """The last line of a file that has one, without its end, and whether it has its end.

    Raises:
        OSError: The file cannot be read.
    """
    start = max(0, size - LONGEST_LINE - 1)
    os.lseek(descriptor, start, os.SEEK_SET)
    tail = b""
    while len(tail) < size - start and (piece := os.read(descriptor, size - start - len(tail))):
        tail += piece
    whole = tail.endswith(b"\n")
    return tail.rstrip(b"\n").rsplit(b"\n", 1)[-1], whole


def _check_own(descriptor: int, path: str) -> None:
    if os.name == "nt":
        return
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, f"{path} is a link, or belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(descriptor, fs.PRIVATE_FILE)
