"""The audit trail: who called which service when, one entry a call, on this machine.

Source of the duty: the section "HIPAA & PHI Handling" of the Nimbus OS documentation.
"""

from __future__ import annotations

import os
import threading

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import AuditTrailError
from nimbus_sdk.services.audit.entry import (
    START,
    AuditEntry,
    Position,
    decode_entry,
    encode_entry,
    is_genuine,
)
from nimbus_sdk.services.audit.files import TrailFiles, read_last_line
from nimbus_sdk.storage import fs

MAX_FILE_BYTES = 8 * 2**20
_WAIT_SECONDS = 30.0


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
        ...     AuditTrail(paths, "nimbus-os").append(AuditEntry(when="2026-01-31T09:00:00.000Z", who="ada",
        ...         host="api-sandbox.nimbus-os.com:443", environment="sandbox", method="GET", path="/orders",
        ...         status=200, request_id="req_abc123", key="0123456789ab", duration_ms=48.0))
        ...     verify(paths, "nimbus-os").entries
        1
    """

    def __init__(self, paths: Paths, name: str, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._files = TrailFiles(paths, name)
        self._max_bytes = max_bytes
        # The threads of a process queue here, so that only one of them polls for the lock between processes.
        self._turn = threading.Lock()

    def check_writable(self) -> None:
        """Check before a call that it can be recorded.

        Raises:
            AuditTrailError: It cannot, or was written by a newer version of the SDK.
        """
        try:
            self._files.read_head()
            os.close(self._files.open_current())
        except OSError as error:
            raise AuditTrailError(
                f"The audit trail {self._files.current} cannot be written ({error.strerror or error}), so no "
                "call was made."
            ) from None

    def append(self, entry: AuditEntry) -> None:
        """Write one entry, through to the disk.

        Raises:
            AuditTrailError: The disk refused; the trail is as it was.
        """
        try:
            fs.make_private_folder(self._files.folder)
            with self._turn, self._files.exclusive(_WAIT_SECONDS):
                self._write(entry)
        except OSError as error:
            raise AuditTrailError(
                f"A call was made (status {entry.status}, request {entry.request_id}), and the audit trail "
                f"{self._files.current} could not be written: {error.strerror or error}."
            ) from None

    def _write(self, entry: AuditEntry) -> None:
        secret = self._files.make_secret()
        descriptor = self._open()
        try:
            size = os.fstat(descriptor).st_size
            last, ended = read_last_line(descriptor, size) if size else (self._last_of_full(), True)
            line, end = encode_entry(entry, self._end(last, secret), secret)
            try:
                fs.write_all(descriptor, b"%s%s\n" % (b"" if ended else b"\n", line))
                fs.sync(descriptor)
            except OSError:
                # On a full disk half a line would stay, and break the chain.
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        self._files.write_head(end, secret)

    def _open(self) -> int:
        descriptor = self._files.open_current()
        if os.fstat(descriptor).st_size < self._max_bytes:
            return descriptor
        os.close(descriptor)
        self._files.rotate()
        return self._files.open_current()

    def _end(self, last: bytes, secret: bytes) -> Position:
        """The end of the chain. If last line and head do not fit, the break stays for everyone to see."""
        head = self._files.read_head()
        if head is None and not last:
            # The head is written before the first entry, so that a missing one is never taken for a crash.
            self._files.write_head(START, secret)
            return START
        record = decode_entry(last)
        if head is None:
            return Position(START.number if record is None else record.number, START.mac)
        if record is None or (record.number, record.previous) != (head.number + 1, head.mac):
            return head
        if not is_genuine(last, secret):
            return head
        # Its writer was killed before the head, which catches up first: at most one entry is ever beyond it.
        self._files.write_head(record.position, secret)
        return record.position

    def _last_of_full(self) -> bytes:
        before = self._files.list_full()
        if not before:
            return b""
        with open(before[-1], "rb") as file:
            return read_last_line(file.fileno(), os.fstat(file.fileno()).st_size)[0]
