"""The audit trail: who called which service when, one line a call, on this machine.

Source of the duty: the section "HIPAA & PHI Handling" of the Nimbus OS documentation.
"""

from __future__ import annotations

import os
import threading

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import AuditTrailError
from nimbus_sdk.services.audit.entry import START, AuditEntry, Mark, read_line, written
from nimbus_sdk.services.audit.files import TrailFiles, last_line
from nimbus_sdk.storage import fs

MOST_BYTES = 8 * 2**20
_WAIT_SECONDS = 30.0


class AuditTrail:
    """Writes the trail; safe for many threads and processes.

    Every line carries the hash of the one before it, and a seal beside the trail names the last, so that
    :func:`~nimbus_sdk.services.audit.verify.verify` finds what was changed or removed. Nothing is deleted.

    Args:
        paths: Where it is kept.
        name: Which trail.
        most_bytes: Size from which a new file is begun.

    Example:
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

    def __init__(self, paths: Paths, name: str, *, most_bytes: int = MOST_BYTES) -> None:
        self._files = TrailFiles(paths, name)
        self._most_bytes = most_bytes
        # Threads wait here in turn, so that only one of each process asks for the lock between processes.
        self._turn = threading.Lock()

    def check_writable(self) -> None:
        """Find out before a call whether it can be written down.

        Raises:
            AuditTrailError: It cannot.
        """
        try:
            os.close(self._files.open())
        except OSError as error:
            raise AuditTrailError(
                f"The audit trail {self._files.current} cannot be written ({error.strerror or error}), so no "
                "call was made."
            ) from None

    def append(self, entry: AuditEntry) -> None:
        """Write one line, through to the disk.

        Raises:
            AuditTrailError: The disk refused; the trail is as it was.
        """
        try:
            fs.make_private_folder(self._files.folder)
            with self._turn, self._files.alone(_WAIT_SECONDS):
                self._write(entry)
        except OSError as error:
            raise AuditTrailError(
                f"A call was made (status {entry.status}, request {entry.request_id}), and the audit trail "
                f"{self._files.current} could not be written: {error.strerror or error}."
            ) from None

    def _write(self, entry: AuditEntry) -> None:
        descriptor = self._opened()
        try:
            size = os.fstat(descriptor).st_size
            before, ended = self._before(descriptor, size)
            line, mark = written(entry, before, self._files.seal.stamp)
            try:
                fs.write_all(descriptor, b"%s%s\n" % (b"" if ended else b"\n", line))
                os.fsync(descriptor)
            except OSError:
                # Half a line on a full disk would be the end of the chain.
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        self._files.seal.write(mark)

    def _opened(self) -> int:
        descriptor = self._files.open()
        if os.fstat(descriptor).st_size < self._most_bytes:
            return descriptor
        os.close(descriptor)
        self._files.set_full()
        return self._files.open()

    def _before(self, descriptor: int, size: int) -> tuple[Mark, bool]:
        """What the next line refers to, and whether the file ends with a whole line."""
        text, ended = last_line(descriptor, size) if size else (self._last_of_full(), True)
        sealed = self._files.seal.read()
        if sealed is None and not text:
            # The seal is there before the first line, so that a missing one is never mistaken for a crash.
            self._files.seal.write(START)
            return START, True
        return self._last_written(text, sealed), ended

    def _last_written(self, text: bytes, sealed: Mark | None) -> Mark:
        """The line to go on from. Where line and seal do not fit, the break is kept for everyone to see."""
        line = read_line(text)
        if sealed is None:
            return Mark(START.number if line is None else line.number, START.digest)
        if line is None or (line.number, line.previous) != (sealed.number + 1, sealed.digest):
            return sealed
        # Beyond the seal: a writer was killed before it came to that, or somebody else has added a line.
        return line.mark if self._files.seal.has_stamped(text) else sealed

    def _last_of_full(self) -> bytes:
        before = self._files.full()
        if not before:
            return b""
        descriptor = os.open(before[-1], os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            return last_line(descriptor, os.fstat(descriptor).st_size)[0]
        finally:
            os.close(descriptor)
