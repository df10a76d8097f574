"""Recording a call in the audit trail: its entry before it is sent, its outcome after."""

from __future__ import annotations

import getpass
import logging
import os
import threading
import time
from dataclasses import replace

from nimbus_sdk.errors import ApiError, AuditTrailError, ConfigurationError, RateLimitError
from nimbus_sdk.services.audit.entry import AuditEntry, AuditOutcome
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.transport.flow import Flow, Response, run_blocking

_CANCELLED_SECONDS = 0.2
"""How long a cancelled call waits for its entry. The event loop stands still meanwhile."""

_log = logging.getLogger("nimbus_sdk.audit")


def record_call(trail: AuditTrail, entry: AuditEntry, exchange: Flow[Response]) -> Flow[Response]:
    """Make a call and record it before and after; ``AuditTrailError`` and no call if that is not possible."""
    recording = _Recording(trail, entry)
    result = "not sent"
    try:
        yield from run_blocking(recording.begin)
        result = "no response"
        try:
            response = yield from exchange
        except Exception as error:
            outcome = error if isinstance(error, ApiError) else None
            recording.start("not sent" if _was_never_sent(error) else result, outcome)
            yield from run_blocking(recording.wait)
            raise
        recording.start(result, response)
        yield from run_blocking(recording.wait)
        return response
    except BaseException as error:
        if not isinstance(error, Exception):
            recording.finish_unawaited(result)
        raise


def _was_never_sent(error: Exception) -> bool:
    """Whether it is certain that nothing was sent. A connection error says nothing of that: it reports the
    last attempt alone, and the response to an earlier one may have been lost.
    """
    if isinstance(error, RateLimitError):
        return error.status is None and error.attempts == 1
    return isinstance(error, ConfigurationError)


class _Recording:
    """Writes the entry of a call, and its outcome in a thread of its own: neither Ctrl-C nor a cancelled task
    stops that half-way, and a program does not end before it.
    """

    def __init__(self, trail: AuditTrail, entry: AuditEntry) -> None:
        self._trail, self._entry = trail, entry
        self._number = 0
        self._clock = time.monotonic()
        self._started = False
        # Not the thread's own join: one that Ctrl-C ends makes Python forget to wait for the thread.
        self._done = threading.Event()
        self._error: AuditTrailError | None = None
        self._is_awaited = True

    def begin(self) -> None:
        """Write the entry; raise if it could not be."""
        self._number = self._trail.begin(self._entry)
        self._clock = time.monotonic()

    def start(self, result: str, answer: Response | ApiError | None) -> None:
        """Begin to write what the service said, or ``result`` if nobody knows; once."""
        if self._started or not self._number:
            return
        self._started = True
        outcome = AuditOutcome(
            call=self._number,
            result=result,
            request_id=self._entry.request_id,
            duration_ms=round((time.monotonic() - self._clock) * 1000, 1),
        )
        if answer is not None and answer.status is not None:
            request_id = answer.request_id or outcome.request_id
            outcome = replace(outcome, result="answered", status=answer.status, request_id=request_id)
        try:
            threading.Thread(target=self._write, args=(outcome,), name="nimbus-sdk", daemon=False).start()
        except RuntimeError:
            # The interpreter is ending, or the system gives no thread.
            self._write(outcome)

    def wait(self) -> None:
        """Return when the outcome is written; raise if it could not be."""
        self._done.wait()
        if self._error is not None:
            raise self._error

    def finish_unawaited(self, result: str) -> None:
        """Write the outcome after Ctrl-C or a cancellation: the request may be out, and nobody waits."""
        self._is_awaited = False
        self.start(result, None)
        if self._started:
            self._done.wait(_CANCELLED_SECONDS)

    def _write(self, outcome: AuditOutcome) -> None:
        try:
            self._trail.end(outcome)
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
