"""Recording a call in the audit trail: no call without its entry, however the call ends."""

from __future__ import annotations

import getpass
import logging
import os
import threading
import time
from dataclasses import replace

from nimbus_sdk.errors import ApiError, AuditTrailError, ConfigurationError, RateLimitError
from nimbus_sdk.services.audit.entry import AuditEntry
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.transport.flow import Flow, Response, run_blocking

_CANCELLED_SECONDS = 0.2
"""How long a cancelled call waits for its entry. The event loop stands still meanwhile."""

_log = logging.getLogger("nimbus_sdk.audit")


def record_call(trail: AuditTrail, call: AuditEntry, exchange: Flow[Response]) -> Flow[Response]:
    """Make a call and record it, however it ends; one that cannot be recorded is not made.

    Args:
        trail: Where it is recorded.
        call: What is known of it so far.
        exchange: Sends the request.

    Raises:
        AuditTrailError: The trail cannot be written.
    """
    yield from run_blocking(trail.check_writable)
    writer = _EntryWriter(trail, call)
    try:
        try:
            response = yield from exchange
        except Exception as error:
            if not _was_never_sent(error):
                writer.start(error if isinstance(error, ApiError) else None)
                yield from run_blocking(writer.wait)
            raise
        writer.start(response)
        yield from run_blocking(writer.wait)
        return response
    except BaseException as error:
        if not isinstance(error, Exception):
            writer.finish_unawaited()
        raise


def _was_never_sent(error: Exception) -> bool:
    """Whether it is certain that nothing was sent. A connection error says nothing of that: it reports the
    last attempt alone, and the response to an earlier one may have been lost.
    """
    if isinstance(error, RateLimitError):
        return error.status is None and error.attempts == 1
    return isinstance(error, ConfigurationError)


class _EntryWriter:
    """Writes one entry, in a thread of its own: neither Ctrl-C nor a cancelled task stops it half-way.

    A program does not end before the thread has.
    """

    def __init__(self, trail: AuditTrail, begun: AuditEntry) -> None:
        self._trail = trail
        self._entry, self._clock = begun, time.monotonic()
        self._started = False
        # Not the thread's own join: one that Ctrl-C ends makes Python forget to wait for the thread.
        self._done = threading.Event()
        self._error: AuditTrailError | None = None
        self._is_awaited = True

    def start(self, outcome: Response | ApiError | None) -> None:
        """Begin to write what the service said, or that nobody knows; once."""
        if self._started:
            return
        self._started = True
        entry = replace(self._entry, duration_ms=round((time.monotonic() - self._clock) * 1000, 1))
        if outcome is not None:
            request_id = outcome.request_id or entry.request_id
            entry = replace(entry, status=outcome.status, request_id=request_id)
        try:
            threading.Thread(target=self._write, args=(entry,), name="nimbus-sdk", daemon=False).start()
        except RuntimeError:
            # The interpreter is ending, or the system gives no thread.
            self._write(entry)

    def wait(self) -> None:
        """Return when the entry is written; raise if it could not be."""
        self._done.wait()
        if self._error is not None:
            raise self._error

    def finish_unawaited(self) -> None:
        """Write the entry after Ctrl-C or a cancellation: the request may have gone out, and nobody waits."""
        self._is_awaited = False
        self.start(None)
        self._done.wait(_CANCELLED_SECONDS)

    def _write(self, entry: AuditEntry) -> None:
        try:
            self._trail.append(entry)
        except AuditTrailError as error:
            self._error = error
            if not self._is_awaited:
                _log.error("%s", error)
        finally:
            self._done.set()


def user_name() -> str:
    """Return the name of the user of this process, as the operating system knows it."""
    if os.name == "nt":
        return getpass.getuser()
    import pwd

    # The environment's USER can say anything.
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
