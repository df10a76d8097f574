"""A call and its line in the audit trail: no call without its line, and however the call ends."""

from __future__ import annotations

import getpass
import logging
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nimbus_sdk.errors import ApiError, AuditTrailError, ConfigurationError, RateLimitError
from nimbus_sdk.services.audit.entry import AuditEntry
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.transport.flow import Answer, Flow, work

if TYPE_CHECKING:
    from types import TracebackType

_CANCELLED_SECONDS = 0.2
"""How long a cancelled call waits for its line. The event loop stands still meanwhile."""

_log = logging.getLogger("nimbus_sdk.audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedCall:
    """What is known of a call before it is made."""

    host: str
    environment: str
    method: str
    path: str
    request_id: str
    key: str | None


def audited(trail: AuditTrail, call: AuditedCall, exchange: Flow[Answer]) -> Flow[Answer]:
    """Make a call and write it down, however it ends; one that cannot be written down is not made.

    Raises:
        AuditTrailError: The trail cannot be written.
    """
    yield from work(trail.check_writable)
    with _Writing(trail, call) as writing:
        try:
            answer = yield from exchange
        except Exception as error:
            if not _never_left(error):
                writing.begin(error if isinstance(error, ApiError) else None)
                yield from work(writing.end)
            raise
        writing.begin(answer)
        yield from work(writing.end)
    return answer


def _never_left(error: Exception) -> bool:
    """Whether it is certain that nothing was sent. Of a connection error it is not: it tells of the last
    attempt alone, and the answer to one before may have been lost.
    """
    if isinstance(error, RateLimitError):
        return error.status is None and error.attempts == 1
    return isinstance(error, ConfigurationError)


class _Writing:
    """Writes one line, in a thread of its own: neither Ctrl-C nor a cancelled task stops it on its way.

    A program does not end before the thread has.
    """

    def __init__(self, trail: AuditTrail, call: AuditedCall) -> None:
        self._trail = trail
        self._call = call
        self._began, self._clock = datetime.now(UTC), time.monotonic()
        self._begun = False
        # And not the thread's own join: one that Ctrl-C ends makes Python forget to wait for the thread.
        self._over = threading.Event()
        self._fault: AuditTrailError | None = None
        self._heard = True

    def begin(self, told: Answer | ApiError | None) -> None:
        """Start to write what the service said, or that nobody knows; once."""
        if self._begun:
            return
        self._begun = True
        entry = self._entry(told)
        try:
            threading.Thread(target=self._write, args=(entry,), name="nimbus-sdk", daemon=False).start()
        except RuntimeError:
            # The interpreter is ending, or the system gives no thread.
            self._write(entry)

    def end(self) -> None:
        """Come back when the line is written.

        Raises:
            AuditTrailError: It could not be.
        """
        self._over.wait()
        if self._fault is not None:
            raise self._fault

    def __enter__(self) -> _Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            return
        # Ctrl-C, or cancelled: the request may have gone out, and nobody is left to hear an error.
        self._heard = False
        self.begin(None)
        self._over.wait(_CANCELLED_SECONDS)

    def _write(self, entry: AuditEntry) -> None:
        try:
            self._trail.append(entry)
        except AuditTrailError as error:
            self._fault = error
            if not self._heard:
                _log.error("%s", error)
        finally:
            self._over.set()

    def _entry(self, told: Answer | ApiError | None) -> AuditEntry:
        call, began = self._call, self._began
        return AuditEntry(
            when=f"{began:%Y-%m-%dT%H:%M:%S}.{began.microsecond // 1000:03d}Z",
            who=_user(),
            host=call.host,
            environment=call.environment,
            method=call.method,
            path=call.path,
            status=None if told is None else told.status,
            request_id=(None if told is None else told.request_id) or call.request_id,
            key=call.key,
            duration_ms=round((time.monotonic() - self._clock) * 1000, 1),
        )


def _user() -> str:
    if os.name == "nt":
        return getpass.getuser()
    import pwd

    # The environment's USER can say anything.
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
