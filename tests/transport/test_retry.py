"""When a request goes out again, and after which wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk import errors
from nimbus_sdk.transport import retry
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.retry import (
    ATTEMPTS,
    FIRST_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    Retries,
    is_retryable,
    parse_http_date,
    parse_retry_after,
)

NOON = datetime(2025, 10, 31, 12, 0, 0, tzinfo=UTC)
NOON_TEXT = format_datetime(NOON, usegmt=True)


def http(moment):
    """A moment as HTTP writes it."""
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "+5"}, None),
        ({"retry-after": "."}, None),
        ({"retry-after": "1.2.3"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "7, 9"}, None),
        ({"retry-after": http(NOON + timedelta(seconds=90)), "date": NOON_TEXT}, 90.0),
        ({"retry-after": http(NOON - timedelta(seconds=90)), "date": NOON_TEXT}, 0.0),
        ({"retry-after": "Friday, 31-Oct-25 12:00:10 GMT", "date": NOON_TEXT}, 10.0),
        ({"retry-after": "Fri Oct 31 12:00:10 2025", "date": NOON_TEXT}, 10.0),
        ({"retry-after": "Fri, 31 Oct 2025 14:00:10 +0200", "date": NOON_TEXT}, 10.0),
        ({"retry-after": "Fri, 99 Oct 2025 14:00:10 GMT", "date": NOON_TEXT}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1761912020", "date": NOON_TEXT}, 20.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1761911980", "date": NOON_TEXT}, 0.0),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1761912020", "date": NOON_TEXT}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "nan", "date": NOON_TEXT}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1e99", "date": NOON_TEXT}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "", "date": NOON_TEXT}, None),
        (
            {
                "retry-after": "3",
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1761912020",
                "date": NOON_TEXT,
            },
            3.0,
        ),
    ],
)
def test_every_form_of_the_servers_wait_is_read(headers, seconds):
    """Seconds, decimals, all three HTTP dates and the reset header give seconds; nonsense gives nothing."""
    assert parse_retry_after(headers) == seconds


def test_a_date_is_measured_by_the_answers_own_clock_and_by_ours_only_without_one():
    """A wrong local clock does not change a wait that is given as a date."""
    wait_until = http(NOON + timedelta(seconds=30))
    wrong_here = NOON + timedelta(days=400)
    assert parse_retry_after({"retry-after": wait_until, "date": NOON_TEXT}, now=wrong_here) == 30.0
    assert parse_retry_after({"retry-after": wait_until}, now=NOON) == 30.0
    assert parse_retry_after({"retry-after": wait_until, "date": "gibberish"}, now=NOON) == 30.0


def test_an_endless_row_of_digits_is_a_very_long_wait_that_is_still_a_number():
    """A huge Retry-After is bounded, so that whoever prints or adds it meets a finite number."""
    assert 86_400 <= parse_retry_after({"retry-after": "9" * 400}) < float("inf")


@given(st.text())
def test_no_text_in_any_of_the_headers_breaks_the_reading(text):
    """Whatever the headers contain, the wait is None or a finite number of seconds from 0 on."""
    for name in ("retry-after", "x-ratelimit-reset", "date"):
        headers = {"retry-after": NOON_TEXT, "x-ratelimit-remaining": "0", name: text}
        wait = parse_retry_after(headers)
        assert wait is None or 0 <= wait < float("inf")


def test_a_date_without_a_zone_is_utc():
    """The old asctime form names no zone, and HTTP means GMT by it."""
    assert parse_http_date("Fri Oct 31 12:00:00 2025") == NOON
    assert parse_http_date("") is None


REPEAT_TABLE = [
    (errors.RateLimitError("x", status=429), True, True),
    (errors.RateLimitError("x"), False, False),
    (errors.QuotaExceededError("x", status=429), False, False),
    (errors.NotConfiguredError("x", status=503), False, False),
    (errors.ServerError("x", status=500), True, False),
    (errors.ServerError("x", status=502), True, False),
    (errors.NimbusConnectionError("x"), True, False),
    (errors.NimbusConnectionError("x", passing=False), False, False),
    (errors.NimbusTimeoutError("x"), True, False),
    (errors.NimbusTimeoutError("x", sent=False), True, True),
    (errors.NimbusConnectionError("x", sent=False), True, True),
    (errors.NimbusConnectionError("x", passing=False, sent=False), False, False),
    (errors.AnswerLostError("x"), False, False),
    (errors.ResponseFormatError("x"), False, False),
    (errors.ApiError("x", status=418), False, False),
    (errors.CoreDownloadError("x"), False, False),
    (ValueError("x"), False, False),
    (KeyboardInterrupt(), False, False),
    *((kind("x", status=400), False, False) for kind in (errors.MissingKeyError, errors.InvalidKeyError)),
    (errors.InvalidKeyFormatError("x", status=400), False, False),
    (errors.MissingEventTypeError("x", status=400), False, False),
    (errors.KeyExpiredError("x", status=401), False, False),
    (errors.PermissionDeniedError("x", status=403), False, False),
    (errors.KeyNotFoundError("x", status=404), False, False),
    (errors.MethodNotAllowedError("x", status=405), False, False),
]


@pytest.mark.parametrize(
    ("error", "repeatable", "unrepeatable"), REPEAT_TABLE, ids=lambda value: type(value).__name__
)
def test_what_may_be_sent_again(a_call, error, repeatable, unrepeatable):
    """Only what may pass is tried again, and what may have been carried out only where that does no harm."""
    assert is_retryable(a_call(), error) is repeatable
    assert is_retryable(a_call(repeatable=False), error) is unrepeatable


def test_every_error_class_has_a_row_in_the_table():
    """A new class of API error cannot be added without deciding whether it is tried again."""
    covered = {type(error) for error, _, _ in REPEAT_TABLE}
    assert set(errors.ApiError.__subclasses__()) <= covered


def waits(request, *errors_before, deadline=None):
    """The waits after some errors, in order; None if there is no further attempt."""
    retries, drawn = Retries(request, deadline or Deadline(1e9)), []
    for error in errors_before:
        try:
            drawn.append(retries.wait_after(error))
        except type(error):
            drawn.append(None)
    return drawn


FAILURE = errors.ServerError("x", status=500)


def test_the_backoff_has_full_jitter_between_nothing_and_its_bounds(a_call, monkeypatch):
    """Each wait is drawn from 0 to 0.5 s doubled a try, and never above 8 s."""
    monkeypatch.setattr(retry, "ATTEMPTS", 51)
    rows = [waits(a_call(), *[FAILURE] * 50) for _ in range(20)]
    for attempt, drawn in enumerate(zip(*rows, strict=True), start=1):
        bound = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1))
        assert all(0 <= wait <= bound for wait in drawn)
        assert len(set(drawn)) > 1


def test_the_jitter_fills_the_whole_range(a_call):
    """Waits are spread from nearly none to nearly the bound, so that many clients do not come together."""
    drawn = [waits(a_call(), *[FAILURE] * 3)[2] for _ in range(200)]
    assert min(drawn) < 0.1 * 2
    assert max(drawn) > 0.9 * 2


def test_the_wait_that_the_service_asked_for_comes_before_the_jitter(a_call):
    """A Retry-After is waited for to the second."""
    asked = errors.RateLimitError("x", status=429, retry_after=7.0)
    assert waits(a_call(), asked) == [7.0]
    assert waits(a_call(), errors.NimbusTimeoutError("x"))[0] <= FIRST_WAIT_SECONDS


def test_there_are_four_tries_and_none_that_would_start_after_the_end(a_call):
    """Trying stops at the fourth attempt, or where the wait before the next reaches the deadline."""
    assert [wait is None for wait in waits(a_call(), *[FAILURE] * ATTEMPTS)] == [False, False, False, True]
    asked = errors.RateLimitError("x", status=429, retry_after=10.0)
    for seconds, allowed in ((10.0, False), (10.1, True)):
        (wait,) = waits(a_call(), asked, deadline=Deadline(seconds, clock=lambda: 0.0))
        assert (wait is not None) is allowed


def test_an_error_records_the_attempts_before_it(a_call):
    """The last refusal knows how often the request was sent and whether an answer was lost before."""
    retries = Retries(a_call(), Deadline(1e9))
    records = []
    for error in (
        errors.RateLimitError("x", status=429),
        errors.NimbusConnectionError("x", sent=False),
        errors.KeyNotFoundError("x", status=404),
        errors.NimbusTimeoutError("x"),
        errors.KeyNotFoundError("x", status=404),
    ):
        retries.record(error)
        records.append((getattr(error, "attempts", None), getattr(error, "answer_lost", None)))
    assert records == [(1, False), (None, None), (3, False), (None, None), (5, True)]


@pytest.mark.parametrize(
    ("before", "lost"),
    [
        (errors.ServerError("x", status=500), False),
        (errors.ServerError("x", status=503), False),
        (errors.RateLimitError("x", status=429), False),
        (errors.NimbusConnectionError("x", sent=False), False),
        (errors.ServerError("x", status=502), True),
        (errors.ServerError("x", status=504), True),
        (errors.NimbusConnectionError("x"), True),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'status', '')}",
)
def test_only_an_answer_that_never_came_is_lost(a_call, before, lost):
    """A 500 is an answer: the service says that it failed. Behind a gateway it may have been carried out."""
    retries, last = Retries(a_call(), Deadline(1e9)), errors.KeyNotFoundError("x", status=404)
    retries.record(before)
    retries.record(last)
    assert last.answer_lost is lost
