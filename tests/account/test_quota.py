"""The quota: when the service is asked for it, and what counts if it cannot be."""

from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
from nimbus_sdk import QuotaStatus, errors
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


# check_quota_and_refresh


def test_a_young_session_answers_by_itself(sdk, key, asked):
    """No request while the session is young and something is left."""
    sdk.authenticate(key)
    asked()
    assert sdk.check_quota_and_refresh() is True
    assert asked() == []


def test_an_old_session_asks_first(sdk, key, asked, age):
    """What was left two hours ago is not what is left."""
    sdk.authenticate(key)
    age(hours=2, usage_quota=0)
    asked()
    assert sdk.check_quota_and_refresh() is True
    assert asked() == ["refresh"]


def test_a_session_that_says_nothing_is_left_asks_first(sdk, sandbox, asked):
    """The month may have turned since."""
    key = sandbox.new_key("free", used=10_000)
    sdk.authenticate(key)
    asked()
    assert sdk.check_quota_and_refresh() is False
    assert asked() == ["refresh"]


def test_unlimited_is_always_left(sdk, sandbox):
    """Enterprise has no number to run out of."""
    sdk.authenticate(sandbox.new_key("enterprise"))
    assert sdk.check_quota_and_refresh() is True


def test_a_service_that_says_used_up_is_believed(sdk, sandbox, age):
    """QUOTA_EXCEEDED in place of numbers means that nothing is left."""
    key = sandbox.new_key("free", used=10_000, block_when_exhausted=("refresh",))
    sdk.authenticate(key)
    age(hours=2, usage_quota=500)
    assert sdk.check_quota_and_refresh() is False


def test_without_the_service_the_stored_quota_is_used_while_it_is_valid(sdk, key, sandbox, end, age):
    """Old numbers are used instead; an expired session's are not."""
    sdk.authenticate(key)
    age(hours=2)
    end(sandbox)
    assert sdk.check_quota_and_refresh() is True
    age(expires_at=datetime.now(UTC) - timedelta(minutes=1))
    with pytest.raises(errors.SessionExpiredError):
        sdk.check_quota_and_refresh()


def test_an_expired_session_is_renewed_where_the_service_is_there(sdk, key, age):
    """Expiry is asked about, not guessed."""
    sdk.authenticate(key)
    age(expires_at=datetime.now(UTC) - timedelta(minutes=1))
    assert sdk.check_quota_and_refresh() is True
    assert nimbus_sdk.current_session().expires_at is None


def test_no_session_and_another_keys_session_have_no_quota(sdk, key, sandbox, monkeypatch):
    """Nobody's numbers are given for somebody else's."""
    with pytest.raises(errors.SessionNotFoundError):
        sdk.check_quota_and_refresh()
    sdk.authenticate(key)
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key("free"))
    with pytest.raises(errors.SessionNotFoundError, match="belongs to"):
        sdk.check_quota_and_refresh()


def test_quota_goes_on_where_the_key_is_not_at_hand(sdk, key, age, monkeypatch):
    """An ageing session without its key still knows its last numbers."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    sdk.authenticate(key)
    age(hours=2)
    assert sdk.check_quota_and_refresh() is True


# get_quota_status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"usage_quota": 48_766, "usage_quota_max": 50_000}, QuotaStatus(48_766, 50_000, 2.47)),
        ({"usage_quota": 0, "usage_quota_max": 50_000}, QuotaStatus(0, 50_000, 100.0)),
        ({"usage_quota": 50_000, "usage_quota_max": 50_000}, QuotaStatus(50_000, 50_000, 0.0)),
        ({"usage_quota": None, "usage_quota_max": None}, QuotaStatus(None, None, 0.0)),
        ({"usage_quota": None, "usage_quota_max": 50_000}, QuotaStatus(None, 50_000, 0.0)),
        ({"usage_quota": 0, "usage_quota_max": 0}, QuotaStatus(0, 0, 0.0)),
        ({"usage_quota": 60_000, "usage_quota_max": 50_000}, QuotaStatus(60_000, 50_000, 0.0)),
    ],
)
def test_the_quota_as_the_session_knows_it(sdk, key, age, asked, fields, status):
    """Left, limit and share used, with no network; None is unlimited."""
    sdk.authenticate(key)
    age(**fields)
    asked()
    assert sdk.get_quota_status() == status
    assert asked() == []


def test_without_a_session_there_is_no_quota(sdk):
    """The error is the session's."""
    with pytest.raises(errors.SessionNotFoundError):
        sdk.get_quota_status()
