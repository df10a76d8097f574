"""The audit trail: who called which service when, on this machine; and its files.

Each call is recorded before it is sent and again with its outcome, so that one whose process is killed has
left its entry. Source of the duty: the section "HIPAA & PHI Handling" of the Nimbus OS documentation.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import AuditTrailError
from nimbus_sdk.services.audit.entry import (
    MAX_LINE_BYTES,
    START,
    AuditEntry,
    AuditOutcome,
    Position,
    decode_entry,
    decode_head,
    encode_entry,
    encode_head,
    is_genuine,
)
from nimbus_sdk.storage import fs, trust
from nimbus_sdk.storage.lock import Lock

MAX_FILE_BYTES = 8 * 2**20
NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_WAIT_SECONDS = 30.0
_turn = threading.Lock()
"""The threads of a process queue here, so that only one of them polls for the lock between processes."""


class AuditTrail:
    """Writes the trail; safe for many threads and processes.

    The entries form a chain of MACs, so that ``nimbus_sdk.services.audit.verify.verify`` finds what was
    changed or removed. Nothing is deleted.

    Args:
        paths: Where it is stored.
        name: Which trail.
        max_bytes: Size from which a new file is begun.

    Examples:
        >>> import tempfile
        >>> from nimbus_sdk.config.settings import Settings
        >>> from nimbus_sdk.services.audit.verify import verify
        >>> with tempfile.TemporaryDirectory() as home:
        ...     paths = Settings(home=home).paths
        ...     trail = AuditTrail(paths, "nimbus-os")
        ...     call = trail.begin(AuditEntry(when="2026-01-31T09:00:00.000Z", who="ada",
        ...         host="api-sandbox.nimbus-os.com:443", environment="sandbox", method="GET", path="/orders",
        ...         request_id="req_abc123", key="0123456789ab"))
        ...     trail.end(AuditOutcome(call=call, result="answered", status=200, duration_ms=48.0))
        ...     verify(paths, "nimbus-os").calls
        1
    """

    def __init__(self, paths: Paths, name: str, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._files = TrailFiles(paths, name)
        self._max_bytes = max_bytes

    def begin(self, entry: AuditEntry) -> int:
        """Record a call that is about to be sent, through to the disk, and return the entry's number.

        Raises:
            AuditTrailError: The disk refused, or the trail was written by a newer version of the SDK. The
                call must not be sent.
        """
        try:
            return self._append(entry)
        except OSError as error:
            raise AuditTrailError(
                f"The audit trail {self._files.current} cannot be written ({error.strerror or error}), so no "
                "call was made."
            ) from None

    def end(self, outcome: AuditOutcome) -> None:
        """Record how a call ended, through to the disk.

        Raises:
            AuditTrailError: The disk refused; the call's entry stays without an outcome.
        """
        try:
            self._append(outcome)
        except OSError as error:
            raise AuditTrailError(
                f"A call was made (status {outcome.status}, request {outcome.request_id}), and its outcome "
                f"could not be written to the audit trail {self._files.current}: {error.strerror or error}."
            ) from None

    def _append(self, content: AuditEntry | AuditOutcome) -> int:
        with _turn, self._files.exclusive(_WAIT_SECONDS):
            secret = self._files.make_secret()
            if self._files.is_missing():
                # Before the first entry, so that a missing head is never taken for a crash.
                self._files.write_head(START, secret)
            with self._files.open_current() as descriptor:
                end = self._find_end(descriptor, secret)
                is_full = os.fstat(descriptor).st_size >= self._max_bytes
            if is_full:
                self._files.rotate()
            line, end = encode_entry(content, end, secret)
            with self._files.open_current() as descriptor:
                append_line(descriptor, line)
            self._files.write_head(end, secret)
            return end.number

    def _find_end(self, descriptor: int, secret: bytes) -> Position:
        """The end of the chain. If last line and head do not fit, the break stays for everyone to see."""
        head = self._files.read_head()
        last, rest = read_last_line(descriptor)
        last = last or self._files.read_last_line_of_full()
        record = decode_entry(last)
        if head is None:
            # A file without a head record had entries; the number says so if nothing of them is left.
            return Position(1 if record is None else record.number, START.mac)
        end = head
        if record is not None and (record.number, record.previous) == (head.number + 1, head.mac):
            # Its writer was killed before the head, which catches up first: at most one is ever beyond it.
            end = record.position if is_genuine(last, secret) else head
        position = (START if not last else None) if record is None else record.position
        if rest and position == end:
            # A writer was killed in the middle of a line: of a call that was not sent, or of its outcome.
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(rest))
        if end != head:
            self._files.write_head(end, secret)
        return end


class TrailFiles:
    """Where one trail is stored; every method raises ``OSError`` if the disk refuses."""

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
            fs.make_file_private(self.current)
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


def _reset_after_fork() -> None:
    """Replace the lock in a child process: another thread of the parent may have held it."""
    global _turn
    _turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
