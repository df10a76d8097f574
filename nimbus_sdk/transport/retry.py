"""When a request is sent again, and after which wait: the one recipe for both drivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypedDict

from nimbus_sdk.errors import (
    ApiError,
    NimbusConnectionError,
    NimbusError,
    RateLimitError,
    ServerError,
)
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Request

if TYPE_CHECKING:
    from tenacity import RetryCallState

TRIES = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 8.0
LONGEST_ASKED_SECONDS = 366 * 86_400.0
# Said by a gateway that waited for the service: what became of the request behind it is unknown. A 500 or
# 503 is the answer itself.
_LOST_BEHIND_A_GATEWAY = frozenset({502, 504})


class Policy(TypedDict):
    """What ``tenacity.Retrying`` and ``tenacity.AsyncRetrying`` are both given."""

    stop: Callable[[RetryCallState], bool]
    wait: Callable[[RetryCallState], float]
    retry: Callable[[RetryCallState], bool]
    reraise: bool


def retry_policy(call: Request, deadline: Deadline) -> Policy:
    """The recipe for one call: at most four tries, full jitter, all within the budget."""
    from tenacity import retry_if_exception, wait_random_exponential

    backoff = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number >= TRIES or state.upcoming_sleep >= deadline.remaining()

    def wait(state: RetryCallState) -> float:
        asked = requested_wait(state.outcome.exception() if state.outcome else None)
        return backoff(state) if asked is None else asked

    repeat = retry_if_exception(lambda error: is_retryable(call, error))
    return {"stop": stop, "wait": wait, "retry": repeat, "reraise": True}


def is_retryable(call: Request, error: BaseException) -> bool:
    """Whether trying again can help, and can do no harm."""
    if isinstance(error, RateLimitError):
        return error.status is not None
    if isinstance(error, NimbusConnectionError):
        return error.passing and (call.repeatable or not error.sent)
    return call.repeatable and isinstance(error, ServerError)


def requested_wait(error: BaseException | None) -> float | None:
    """Seconds that the service asked to wait, or None."""
    return error.retry_after if isinstance(error, ApiError) else None


@dataclass(slots=True)
class AttemptHistory:
    """What earlier attempts of a call met; told to the error that ends it."""

    attempts: int = 0
    answer_lost: bool = False

    def note(self, error: NimbusError) -> None:
        """Mark an error with the history before it, then add it to the history."""
        if isinstance(error, ApiError):
            error.attempts = self.attempts
            error.answer_lost = self.answer_lost
        self.answer_lost |= _is_lost(error)


def _is_lost(error: NimbusError) -> bool:
    if isinstance(error, NimbusConnectionError):
        return error.sent
    return isinstance(error, ServerError) and error.status in _LOST_BEHIND_A_GATEWAY


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, from any form in which a service says so.

    ``Retry-After`` in seconds or as an HTTP date (RFC 9110, 10.2.3; a date is compared with the answer's
    own ``Date``, so that a wrong local clock does no harm), else ``X-RateLimit-Reset`` (Unix seconds) once
    nothing remains. Nonsense counts as absent; a moment in the past as no wait; more than a year as a year.

    Example:
        >>> retry_after({"retry-after": "7"}), retry_after({"retry-after": "soon"})
        (7.0, None)
    """
    text = headers.get("retry-after", "").strip()
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), LONGEST_ASKED_SECONDS)
    moment = parse_http_date(text)
    if moment is None and headers.get("x-ratelimit-remaining", "").strip() == "0":
        moment = _unix(headers.get("x-ratelimit-reset", ""))
    if moment is None:
        return None
    here = parse_http_date(headers.get("date", "")) or now or datetime.now(UTC)
    return min(max(0.0, (moment - here).total_seconds()), LONGEST_ASKED_SECONDS)


def parse_http_date(text: str) -> datetime | None:
    """An HTTP date as an aware datetime, or None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _unix(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None
