"""When a request is sent again, and after which wait: one policy for both drivers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from nimbus_sdk.transport.flow import Request, Sink

if TYPE_CHECKING:
    from tenacity import RetryCallState

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 8.0
FIRST_DOWNLOAD_WAIT_SECONDS = 1.0
OUTAGE_SECONDS = 120.0
SETTLING_WAITS = (1.0, 2.0)
LONGEST_REQUESTED_SECONDS = 366 * 86_400.0
# Sent by a gateway that waited for the service: the request may have been carried out behind it. A 500 or
# 503 is the answer of the service itself.
_GATEWAY_STATUSES = frozenset({502, 504})


class Policy(TypedDict):
    """Arguments for both ``tenacity.Retrying`` and ``tenacity.AsyncRetrying``."""

    stop: Callable[[RetryCallState], bool]
    wait: Callable[[RetryCallState], float]
    retry: Callable[[RetryCallState], bool]
    before_sleep: Callable[[RetryCallState], None] | None
    reraise: bool


def retry_policy(request: Request, deadline: Deadline) -> Policy:
    """Return the retry policy of a request: when it is sent again, all before the deadline."""
    if request.sink is None:
        policy = _usual_policy(request, deadline)
    else:
        policy = _download_policy(request, request.sink, deadline)
    return _until_settled(policy, request, deadline) if request.settling else policy


def may_end_with_first_attempt(request: Request) -> bool:
    """Return whether a first attempt that succeeds is the last, so that no policy is needed for it."""
    return request.sink is None and not request.settling


def _usual_policy(request: Request, deadline: Deadline) -> Policy:
    """Return the policy of a request that is not a download: at most four attempts, with full jitter."""
    from tenacity import retry_if_exception, wait_random_exponential

    backoff = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number >= ATTEMPTS or state.upcoming_sleep >= deadline.remaining()

    def wait(state: RetryCallState) -> float:
        requested = requested_wait(state.outcome.exception() if state.outcome else None)
        return backoff(state) if requested is None else requested

    repeat = retry_if_exception(lambda error: is_retryable(request, error))
    return {"stop": stop, "wait": wait, "retry": repeat, "before_sleep": None, "reraise": True}


def _download_policy(request: Request, sink: Sink, deadline: Deadline) -> Policy:
    """Return the policy of a download: four attempts until bytes arrive, then as many as the deadline allows.

    A front that restarts or a link that is down needs time: the waits are 1, 2, 4 and 8 seconds or more, and
    begin again with 1 whenever there was progress.
    """
    from tenacity import retry_if_exception

    progress, attempts, has_begun = sink.progress, 0, False

    def repeat(error: BaseException) -> bool:
        nonlocal progress, attempts, has_begun
        attempts += 1
        if sink.progress > progress:
            progress, attempts, has_begun = sink.progress, 1, True
        # A network that returns has no name server at first, or a login page in front of everything.
        is_outage = has_begun and isinstance(error, NimbusConnectionError)
        return is_outage or is_retryable(request, error)

    def stop(state: RetryCallState) -> bool:
        return (attempts >= ATTEMPTS and not has_begun) or state.upcoming_sleep >= deadline.remaining()

    def wait(state: RetryCallState) -> float:
        requested = requested_wait(state.outcome.exception() if state.outcome else None)
        least = min(FIRST_DOWNLOAD_WAIT_SECONDS * 2.0 ** (attempts - 1), LONGEST_WAIT_SECONDS)
        return max(least * random.uniform(1.0, 1.25), requested or 0.0)  # noqa: S311

    return {
        "stop": stop,
        "wait": wait,
        "retry": retry_if_exception(repeat),
        "before_sleep": lambda state: sink.pause(state.upcoming_sleep),
        "reraise": True,
    }


def _until_settled(policy: Policy, request: Request, deadline: Deadline) -> Policy:
    """Return a policy by which a response that may change within seconds is requested once or twice more."""

    def is_unsettled(state: RetryCallState) -> bool:
        response = state.outcome
        return response is not None and not response.failed and response.result().status in request.settling

    def repeat(state: RetryCallState) -> bool:
        if not is_unsettled(state):
            return policy["retry"](state)
        return state.attempt_number <= len(SETTLING_WAITS) and wait(state) < deadline.remaining()

    def wait(state: RetryCallState) -> float:
        return SETTLING_WAITS[state.attempt_number - 1] if is_unsettled(state) else policy["wait"](state)

    def stop(state: RetryCallState) -> bool:
        return not is_unsettled(state) and policy["stop"](state)

    return {**policy, "retry": repeat, "wait": wait, "stop": stop}


def seconds_for_outage(silence: float) -> float:
    """Return the seconds without progress after which a download ends, once bytes have arrived.

    They are those for which a connection may be silent, and what a broken line gets to come back: two
    minutes, or four times the silence if that is less.

    Example:
        >>> seconds_for_outage(30.0), seconds_for_outage(2.0)
        (150.0, 10.0)
    """
    return silence + min(OUTAGE_SECONDS, 4 * silence)


def is_retryable(request: Request, error: BaseException) -> bool:
    """Return whether another attempt may succeed and cannot do the same thing twice."""
    if isinstance(error, RateLimitError):
        # Without a status it comes from our own limiter: the wait did not fit into the time left.
        return error.status is not None
    if isinstance(error, NimbusConnectionError):
        return error.passing and (request.repeatable or not error.sent)
    return request.repeatable and isinstance(error, ServerError)


def requested_wait(error: BaseException | None) -> float | None:
    """Return the seconds that the service asked to wait, or None."""
    return error.retry_after if isinstance(error, ApiError) else None


@dataclass(slots=True)
class AttemptHistory:
    """What happened in earlier attempts of a request; recorded on the error that ends it."""

    attempts: int = 0
    answer_lost: bool = False
    error: NimbusError | None = None
    first: NimbusError | None = None

    def raise_first(self) -> None:
        """Raise the error of a first attempt that was made before there was a policy, once."""
        failure, self.first = self.first, None
        if failure is not None:
            raise failure

    @contextmanager
    def request(self) -> Iterator[None]:
        """Raise the error of the last attempt, and not that our own limit allows no further one in time."""
        try:
            yield
        except RateLimitError as error:
            if error.status is not None or self.error is None:
                raise
            failure = self.error
        else:
            return
        finally:
            # Its traceback refers to this object.
            self.error = None
        raise failure

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Count an attempt, and record the earlier ones on the error that ends it."""
        self.attempts += 1
        try:
            yield
        except NimbusError as error:
            self.record(error)
            raise

    def record(self, error: NimbusError) -> None:
        """Record the earlier attempts on an error, then add it to them."""
        if isinstance(error, ApiError):
            error.attempts = self.attempts
            error.answer_lost = self.answer_lost
        self.answer_lost |= _is_response_lost(error)
        if not (isinstance(error, RateLimitError) and error.status is None):
            self.error = error


def _is_response_lost(error: NimbusError) -> bool:
    if isinstance(error, NimbusConnectionError):
        return error.sent
    return isinstance(error, ServerError) and error.status in _GATEWAY_STATUSES


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds to wait, from any of the headers in which a service asks for it.

    ``Retry-After`` in seconds or as an HTTP date (RFC 9110, 10.2.3; a date is compared with the ``Date`` of
    the response, so that a wrong local clock does no harm), else ``X-RateLimit-Reset`` (Unix seconds) if
    nothing remains. Invalid values count as absent, times in the past as no wait, more than a year as a year.

    Examples:
        >>> parse_retry_after({"retry-after": "7"}), parse_retry_after({"retry-after": "soon"})
        (7.0, None)
    """
    text = headers.get("retry-after", "").strip()
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), LONGEST_REQUESTED_SECONDS)
    moment = parse_http_date(text)
    if moment is None and headers.get("x-ratelimit-remaining", "").strip() == "0":
        moment = _unix(headers.get("x-ratelimit-reset", ""))
    if moment is None:
        return None
    service_now = parse_http_date(headers.get("date", "")) or now or datetime.now(UTC)
    return min(max(0.0, (moment - service_now).total_seconds()), LONGEST_REQUESTED_SECONDS)


def parse_http_date(text: str) -> datetime | None:
    """Return an HTTP date as an aware datetime, or None if it is invalid."""
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
