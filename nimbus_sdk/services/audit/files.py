"""The files of the audit trail: the current one, the full ones before it, and the head record."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.services.audit.entry import MAX_LINE_BYTES, Position, decode_head, encode_head
from nimbus_sdk.storage import fs, trust
from nimbus_sdk.storage.lock import Lock

NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class TrailFiles:
    """Where one trail is stored; every method raises ``OSError`` if the disk refuses.

    Args:
        paths: ``Paths.audit`` is its folder, ``Paths.seal`` the secret of its chain.
        name: Which trail, such as ``nimbus-os``.
    """

    def __init__(self, paths: Paths, name: str) -> None:
        self.folder, self._secret_path, self._root = paths.audit, paths.seal, paths.state_root
        self._name = name
        self.current = os.path.join(self.folder, f"{name}.jsonl")
        self.head = os.path.join(self.folder, f"{name}.head")
        self._full = re.compile(rf"{re.escape(name)}\.(\d{{6,}})\.jsonl")

    def list_full(self) -> list[str]:
        """Return the files that are full, oldest first."""
        try:
            found = [(self._full.fullmatch(entry), entry) for entry in os.listdir(self.folder)]
        except FileNotFoundError:
            return []
        numbered = sorted((int(match[1]), entry) for match, entry in found if match is not None)
        return [os.path.join(self.folder, entry) for _, entry in numbered]

    def rotate(self) -> None:
        """Rename the current file, so that it becomes the newest of the full ones."""
        before = self.list_full()
        newest = self._full.fullmatch(os.path.basename(before[-1])) if before else None
        number = 1 if newest is None else int(newest[1]) + 1
        fs.rename(self.current, os.path.join(self.folder, f"{self._name}.{number:06d}.jsonl"))
        fs.sync_folder(self.folder)

    def is_missing(self) -> bool:
        """Whether there is neither a head record nor a file of the trail."""
        return not any(map(os.path.lexists, (self.head, self.current, *self.list_full())))

    @contextmanager
    def open_current(self) -> Iterator[int]:
        """Open the current file for reading, and for writing at its end alone; a link is refused."""
        is_new = not os.path.lexists(self.current)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINKS
        descriptor = os.open(self.current, flags, fs.PRIVATE_FILE)
        try:
            fs.tighten(self.current)
            if is_new:
                fs.sync_folder(self.folder)
            yield descriptor
        finally:
            os.close(descriptor)

    def read_secret(self) -> bytes | None:
        """Return the installation's secret; None if there is none yet."""
        return trust.read(self._secret_path, self._root)

    def make_secret(self) -> bytes:
        """Return the installation's secret, made if there is none."""
        return trust.create_once(self._secret_path, os.urandom(32).hex().encode(), self._root)

    def read_head(self) -> Position | None:
        """Return the end of the chain by the head record; None if that is missing or was not made here."""
        return decode_head(fs.read(self.head), self.read_secret())

    def write_head(self, end: Position, secret: bytes) -> None:
        """Name another end of the chain; needs the lock."""
        content = encode_head(end, secret)
        try:
            descriptor = os.open(self.head, os.O_WRONLY | NO_LINKS)
        except FileNotFoundError:
            fs.write_private(self.head, content, self._root)
            return
        # Overwritten and not replaced: it fits into one block, and a rename costs a second sync.
        try:
            fs.write_all(descriptor, content)
            fs.sync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def exclusive(self, wait: float) -> Iterator[None]:
        """Hold the trail's lock, after at most ``wait`` seconds."""
        fs.make_private_folder(self.folder, self._root)
        with Lock(os.path.join(self.folder, f"{self._name}.lock")) as lock:
            lock.acquire(wait)
            yield

    def read_last_line_of_full(self) -> bytes:
        """Return the last line of the newest file that is full; nothing if there is none."""
        for path in self.list_full()[-1:]:
            with fs.open_for_reading(path, NO_LINKS) as file:
                last, rest = read_last_line(file.fileno())
                return rest or last
        return b""


def append_line(descriptor: int, line: bytes) -> None:
    """Write a line and its line break behind a file that was opened for that, through to the disk."""
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, max(0, size - 1), os.SEEK_SET)
    ended = os.read(descriptor, 1) in (b"", b"\n")
    try:
        fs.write_all(descriptor, b"%s%s\n" % (b"" if ended else b"\n", line))
        fs.sync(descriptor)
    except OSError:
        # On a full disk half a line would stay.
        os.ftruncate(descriptor, size)
        raise


def read_last_line(descriptor: int) -> tuple[bytes, bytes]:
    """Return the last line of a file, without its line break, and what is behind its line break."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 2 * MAX_LINE_BYTES)
    os.lseek(descriptor, start, os.SEEK_SET)
    end = b""
    while len(end) < size - start and (piece := os.read(descriptor, size - start - len(end))):
        end += piece
    lines, _, rest = end.rpartition(b"\n")
    return lines.rsplit(b"\n", 1)[-1], rest
