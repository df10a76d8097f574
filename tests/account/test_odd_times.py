"""Moments as services write them: leap seconds, zones, summer time, the edge of an expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
from nimbus_sdk.account.session_record import validity
from nimbus_sdk.sandbox import Sandbox

ANSWER = {
    "valid": True,
    "user_id": "usr_1",
    "email": "researcher@university.edu",
    "license_type": "research",
    "features": ["batch_inference"],
    "quota": {"monthly_limit": 5, "used": 1, "remaining": 4, "resets_at": "2099-11-01T00:00:00Z"},
}
NEW_YEAR = datetime(2098, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2098-12-31T23:59:60Z", NEW_YEAR),
        ("2098-12-31t23:59:60z", NEW_YEAR),
        ("2098-12-31T23:59:60.25Z", NEW_YEAR + timedelta(seconds=0.25)),
        ("2099-01-01T05:29:60+05:30", NEW_YEAR),
        ("2098-12-31T23:59:59", NEW_YEAR),
        ("2098-12-31T23:59:59-00:00", NEW_YEAR),
        ("2099-03-29T02:30:00+01:00", datetime(2099, 3, 29, 1, 30, tzinfo=UTC)),
        ("2099-10-25T02:30:00+02:00", datetime(2099, 10, 25, 0, 30, tzinfo=UTC)),
        ("2099-10-25T02:30:00+01:00", datetime(2099, 10, 25, 1, 30, tzinfo=UTC)),
        ("2096-02-29T00:00:00.123456789Z", datetime(2096, 2, 29, 0, 0, 0, 123456, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_moment_is_read_in_every_form_that_rfc_3339_has(
    sandbox: Sandbox, key: str, text: str | None, moment: datetime | None
) -> None:
    """Leap seconds, lower case, fractions, zones and both halves of the hour that comes twice."""
    sandbox.fault("validate", body={**ANSWER, "expires_at": text})
    assert nimbus_sdk.authenticate(key).expires_at == moment
    assert nimbus_sdk.current_session().expires_at == moment


@pytest.mark.parametrize(
    "text",
    [
        "2098-12-31T24:00:00Z",
        "2098-12-31T23:60:60Z",
        "2098-13-01T00:00:60Z",
        "soon",
        4102444800,
        "9999-12-31T23:59:60-23:00",
    ],
)
def test_what_is_no_moment_is_reported_by_its_field(sandbox: Sandbox, key: str, text: object) -> None:
    """Anything else is a response that does not fit, named by its field; nothing is stored."""
    sandbox.fault("validate", body={**ANSWER, "expires_at": text})
    with pytest.raises(nimbus_sdk.ResponseFormatError, match="expires_at: "):
        nimbus_sdk.authenticate(key)
    with pytest.raises(nimbus_sdk.SessionNotFoundError):
        nimbus_sdk.current_session()


@pytest.mark.parametrize(
    ("microseconds", "state"), [(-1, "fresh"), (0, "expired"), (1, "expired")], ids=["before", "at", "after"]
)
def test_a_session_ends_at_the_very_moment_of_its_expiry(
    sandbox: Sandbox, key: str, microseconds: int, state: str
) -> None:
    """The last microsecond before it counts, the moment itself does not."""
    ends = datetime.now(UTC) + timedelta(minutes=30)
    sandbox.fault("validate", body={**ANSWER, "expires_at": ends.isoformat()})
    session = nimbus_sdk.authenticate(key)
    moment = ends + timedelta(microseconds=microseconds)
    assert validity(session, moment) == state
    assert session.is_expired(moment) is (state == "expired")


@pytest.mark.parametrize(("seconds", "state"), [(300.0, "fresh"), (300.001, "rolled back")])
def test_five_minutes_back_are_let_pass_and_not_a_millisecond_more(
    sandbox: Sandbox, key: str, seconds: float, state: str
) -> None:
    """The tolerance ends where it says."""
    session = nimbus_sdk.authenticate(key)
    assert validity(session, session.validated_at - timedelta(seconds=seconds)) == state


@pytest.mark.parametrize(
    "date", ["Thu, 31 Dec 2098 23:59:60 GMT", "yesterday", "", "Thu, 32 Dec 2098 23:59:59 GMT"]
)
def test_a_date_that_cannot_be_read_counts_as_none(sandbox: Sandbox, key: str, date: str) -> None:
    """A ``Date`` with a leap second, or none at all, leaves only the clock's offset unknown."""
    sandbox.fault("validate", headers={"Date": date})
    assert nimbus_sdk.authenticate(key).clock_offset is None
