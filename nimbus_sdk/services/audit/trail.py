"""The audit trail: who called which service when, on this machine.

Each call is recorded before it is sent and again with its outcome, so that one whose process is killed has
left its entry. Source of the duty: the section "HIPAA & PHI Handling" of the Nimbus OS documentation.
"""

from __future__ import annotations

import os
import threading

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import AuditTrailError
from nimbus_sdk.services.audit.entry import (
    START,
    AuditEntry,
    AuditOutcome,
    Position,
    decode_entry,
    encode_entry,
    is_genuine,
)
from nimbus_sdk.services.audit.files import TrailFiles, append_line, read_last_line

MAX_FILE_BYTES = 8 * 2**20
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


def _reset_after_fork() -> None:
    """Replace the lock in a child process: another thread of the parent may have held it."""
    global _turn
    _turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
