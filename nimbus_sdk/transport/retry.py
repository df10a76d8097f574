"""When a request is sent again, by the class of its error, and after which wait; for both drivers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, cast

from nimbus_sdk import errors
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Request, Response

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


class Retries:
    """The attempts of one request so far: whether there is another one, and when.

    A request has four attempts, with full jitter between them. A download has four until bytes arrive, then
    as many as the deadline allows: a front that restarts or a link that is down needs time, so the waits are
    1, 2, 4 and 8 seconds or more, and begin again with 1 whenever there was progress. A response that may
    change within seconds is requested once or twice more.

    Attributes:
        latest: The latest error that came from sending.
    """

    def __init__(self, request: Request, deadline: Deadline) -> None:
        self.latest: errors.NimbusError | None = None
        self._request = request
        self._deadline = deadline
        self._sink = request.sink
        self._progress = 0 if request.sink is None else request.sink.progress
        self._has_begun = False
        self._attempts = 0
        self._failures = 0
        self._answer_lost = False

    def wait_after(self, error: errors.NimbusError) -> float:
        """Return the seconds between an attempt that failed and the next one, or raise its error."""
        self.record(error)
        if not self._may_help(error):
            raise error
        # Imported here: most requests need no further attempt.
        from tenacity import RetryCallState, Retrying

        retrying = Retrying(
            wait=self._choose_wait, stop=self._is_last, before_sleep=self._announce_wait, reraise=True
        )
        retrying.begin()
        state = RetryCallState(retrying, None, (), {})
        state.attempt_number = self._attempts
        state.set_exception((type(error), error, error.__traceback__))
        return cast(float, retrying.iter(state))

    def wait_to_settle(self, response: Response) -> float | None:
        """Return the seconds after which a response may be another one, or None if it counts."""
        self._attempts += 1
        if response.status not in self._request.settling or self._attempts > len(SETTLING_WAITS):
            return None
        wait = SETTLING_WAITS[self._attempts - 1]
        return wait if wait < self._deadline.remaining() else None

    def record(self, error: errors.NimbusError) -> None:
        """Count an attempt that failed, and record the earlier ones on its error."""
        self._attempts += 1
        self._failures += 1
        if isinstance(error, errors.ApiError):
            error.attempts = self._attempts
            error.answer_lost = self._answer_lost
        self._answer_lost |= _is_response_lost(error)
        if not is_of_own_limit(error):
            self.latest = error

    def _may_help(self, error: errors.NimbusError) -> bool:
        if self._sink is not None and self._sink.progress > self._progress:
            self._progress, self._failures, self._has_begun = self._sink.progress, 1, True
        # A network that returns has no name server at first, or a login page in front of everything.
        is_outage = self._has_begun and isinstance(error, errors.NimbusConnectionError)
        return is_outage or is_retryable(self._request, error)

    def _choose_wait(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        error = state.outcome.exception() if state.outcome is not None else None
        requested = error.retry_after if isinstance(error, errors.ApiError) else None
        if self._sink is not None:
            least = min(FIRST_DOWNLOAD_WAIT_SECONDS * 2.0 ** (self._failures - 1), LONGEST_WAIT_SECONDS)
            return max(least * random.uniform(1.0, 1.25), requested or 0.0)  # noqa: S311
        backoff = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)
        return backoff(state) if requested is None else requested

    def _is_last(self, state: RetryCallState) -> bool:
        tries = self._attempts if self._sink is None else self._failures
        is_spent = tries >= ATTEMPTS and not self._has_begun
        return is_spent or state.upcoming_sleep >= self._deadline.remaining()

    def _announce_wait(self, state: RetryCallState) -> None:
        if self._sink is not None:
            self._sink.pause(state.upcoming_sleep)


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
    if isinstance(error, errors.RateLimitError):
        # The wait for our own limit did not fit into the time left.
        return not is_of_own_limit(error)
    if isinstance(error, errors.NimbusConnectionError):
        return error.passing and (request.repeatable or not error.sent)
    return request.repeatable and isinstance(error, errors.ServerError)


def _is_response_lost(error: errors.NimbusError) -> bool:
    if isinstance(error, errors.NimbusConnectionError):
        return error.sent
    return isinstance(error, errors.ServerError) and error.status in _GATEWAY_STATUSES


def is_of_own_limit(error: errors.NimbusError) -> bool:
    """Whether an error comes from our own rate limit: nothing was sent."""
    return isinstance(error, errors.RateLimitError) and error.status is None


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
