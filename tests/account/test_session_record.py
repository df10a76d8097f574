"""A session as data: what it shows, and whether it is valid at a given time."""

import copy
import html
import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.account.session import AuthSession
from nimbus_sdk.account.session_record import require_valid, validity
from nimbus_sdk.errors import (
    ClockRollbackError,
    FeatureNotLicensedError,
    SessionError,
    SessionExpiredError,
)
from tests.support.examples import examples
from tests.support.sessions import KEY, NOW, made


def test_a_session_has_the_documented_fields():
    """The names of the documentation's AuthSession and of its examples are there."""
    session = made()
    assert session.quota_remaining == session.usage_quota == 48766
    assert (session.license_type, session.usage_quota_max) == ("research", 50000)
    assert session.features_enabled == {"batch_inference", "streaming"}
    assert session.stale is False


def test_a_session_cannot_be_changed():
    """Nobody raises a quota by assigning to it."""
    with pytest.raises(AttributeError):
        made().usage_quota = 10**9
    with pytest.raises((AttributeError, TypeError)):
        made().extra = 1


def test_features_are_asked_for_by_name():
    """Having one is True, lacking one is an error that names feature and tier."""
    session = made()
    session.require_feature("streaming")
    assert session.has_feature("streaming")
    assert not session.has_feature("training")
    with pytest.raises(FeatureNotLicensedError, match="research license") as caught:
        session.require_feature("training")
    assert caught.value.feature == "training"
    assert "training" in str(caught.value)


def test_a_session_as_text_is_one_line():
    """Tier, what is left, until when, and whether it is stale."""
    line = str(made(expires_at=NOW))
    assert (
        line == "Nimbus session nbci_live_0123…89ab: research, 48,766 left, valid until 2026-03-01 12:00 UTC"
    )
    free = str(made(expires_at=None, usage_quota=None, stale=True))
    assert "unlimited" in free
    assert "until revoked" in free
    assert "stale" in free


def test_no_form_of_a_session_holds_the_key(monkeypatch):
    """repr, str, JSON, HTML, pickle and copies show the masked key at most."""
    monkeypatch.setenv("NIMBUS_API_KEY", KEY.reveal())
    session = made()
    assert session.api_key.get_secret_value() == KEY.reveal()
    forms = [
        repr(session),
        str(session),
        session.to_json(),
        session._repr_html_(),
        repr(session.to_dict()),
        repr(pickle.dumps(session)),
        repr(session.api_key),
        f"{session}",
    ]
    for form in forms:
        assert KEY.reveal() not in form
        assert KEY.reveal()[14:-4] not in form
    assert pickle.loads(pickle.dumps(session)) == copy.deepcopy(session) == copy.copy(session) == session


def test_a_notebook_shows_every_value_escaped():
    """A name with markup in it is text."""
    nasty = "<script>alert('x')</script>&"
    shown = made(name=nasty, organization='"><img src=x>', license_type="<b>")._repr_html_()
    assert nasty not in shown
    assert html.escape(nasty) in shown
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "48,766" in shown


def test_a_session_goes_through_json_and_back():
    """What is stored is what was there, to the microsecond."""
    for session in (made(), made(expires_at=None, usage_quota=None, email=None, clock_offset=-3, stale=True)):
        assert AuthSession.from_dict(json.loads(session.to_json())) == session


def test_fields_of_a_later_version_are_passed_over():
    """A newer SDK may have stored more."""
    assert AuthSession.from_dict({**made().to_dict(), "brand_new": 1}).license_type == "research"


WRONG = [None, 5, 1.5, "x", [], {}, True, [5], "2026-01-01T00:00:00", "²"]


@pytest.mark.parametrize("field", sorted(made().to_dict()))
def test_a_record_that_does_not_fit_is_a_session_error(field):
    """A field that is missing or of another kind is reported at once, and never found out later."""
    record = made().to_dict()
    same_kind = {type(value) for value in (record[field], None)}
    for wrong in WRONG:
        try:
            session = AuthSession.from_dict({**record, field: wrong})
        except SessionError:
            continue
        value = getattr(session, field)
        assert type(wrong) in same_kind | {int, float, bool, str, list}
        assert isinstance(value, (str, int, float, frozenset, type(None)))
        # Whatever was let through, the session can be used.
        validity(session, NOW)
        assert f"{session}{session!r}{session.to_json()}{session._repr_html_()}"
    if field not in ("clock_offset", "profile", "key_source", "key_source_reason", "stale"):
        with pytest.raises(SessionError):
            AuthSession.from_dict({name: value for name, value in record.items() if name != field})


REQUIRED = ("key_fingerprint", "key_masked", "license_type", "validated_at", "features_enabled", "api_origin")


@pytest.mark.parametrize("field", REQUIRED)
def test_what_a_session_cannot_be_without_is_not_null(field):
    """A null in a required field is another format."""
    with pytest.raises(SessionError, match="unknown format"):
        AuthSession.from_dict({**made().to_dict(), field: None})


@pytest.mark.parametrize("features", ["streaming", {"streaming": 1}, [1], None, 7])
def test_features_are_a_list_of_names(features):
    """A text is not a list of letters."""
    with pytest.raises(SessionError):
        AuthSession.from_dict({**made().to_dict(), "features_enabled": features})


@given(
    st.dictionaries(st.sampled_from(sorted(made().to_dict())), st.from_type(object) | st.none() | st.text())
)
@examples(60)
def test_no_damage_breaks_the_reading_in_another_way(damage):
    """Whatever is in the fields, it is a session or a SessionError."""
    try:
        session = AuthSession.from_dict({**made().to_dict(), **damage})
    except SessionError:
        return
    validity(session, NOW)


# Whether it counts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STANDINGS = [
    ("just validated", {}, timedelta(0), None, "fresh"),
    ("a second before the hour", {}, HOUR - timedelta(seconds=1), None, "fresh"),
    ("at the hour", {}, HOUR, None, "ageing"),
    ("after weeks", {}, 20 * DAY, None, "ageing"),
    ("a moment before its end", {}, 30 * DAY - timedelta(microseconds=1), None, "ageing"),
    ("exactly at its end", {}, 30 * DAY, None, "expired"),
    ("after its end", {}, 31 * DAY, None, "expired"),
    ("without an end, after years", {"expires_at": None}, 4000 * DAY, None, "ageing"),
    (
        "fresh and at its end",
        {"expires_at": NOW + timedelta(minutes=1)},
        timedelta(minutes=1),
        None,
        "expired",
    ),
    ("five minutes back", {}, -timedelta(minutes=5), None, "fresh"),
    ("more than five minutes back", {}, -timedelta(minutes=5, microseconds=1), None, "rolled back"),
    ("five minutes before what was seen", {}, 10 * DAY, 10 * DAY + timedelta(minutes=5), "ageing"),
    ("more than that before what was seen", {}, 10 * DAY, 10 * DAY + timedelta(minutes=6), "rolled back"),
    ("seen before it was validated", {}, timedelta(0), -5 * DAY, "fresh"),
    ("expired and rolled back", {"expires_at": NOW - DAY}, -DAY, None, "rolled back"),
]


@pytest.mark.parametrize(
    ("case", "fields", "age", "seen", "expected"), STANDINGS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_standing(case, fields, age, seen, expected):
    """Fresh, ageing, expired, rolled back: a function of three times."""
    session = made(**{"validated_at": NOW, "expires_at": NOW + 30 * DAY, **fields})
    last_seen = None if seen is None else NOW + seen
    assert validity(session, NOW + age, last_seen) == expected
    if expected in ("fresh", "ageing"):
        assert require_valid(session, NOW + age, last_seen) is session
    else:
        kind = SessionExpiredError if expected == "expired" else ClockRollbackError
        with pytest.raises(kind) as caught:
            require_valid(session, NOW + age, last_seen)
        assert "UTC" in caught.value.message
        assert caught.value.hint


@given(age=st.timedeltas(-60 * DAY, 60 * DAY), seen=st.none() | st.timedeltas(-60 * DAY, 60 * DAY))
def test_a_clock_that_runs_forward_never_revives_a_session(age, seen):
    """Once expired, no later moment makes it usable again."""
    session = made(validated_at=NOW, expires_at=NOW + 10 * DAY)
    last_seen = None if seen is None else NOW + seen
    if validity(session, NOW + age, last_seen) == "expired":
        assert validity(session, NOW + age + DAY, last_seen) == "expired"


def test_expiry_is_asked_for_any_moment():
    """is_expired takes a moment, or now."""
    session = made(expires_at=NOW)
    assert session.is_expired(NOW)
    assert not session.is_expired(NOW - timedelta(microseconds=1))
    assert session.is_expired() is (datetime.now(UTC) >= NOW)
    assert not made(expires_at=None).is_expired(NOW)
