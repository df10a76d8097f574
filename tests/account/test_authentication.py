"""Authenticating: what is requested, and what is stored."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk import errors
from nimbus_sdk.account import session_lookup
from nimbus_sdk.storage import sealed
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def test_authenticate_validates_and_keeps(sdk, key, asked):
    """One request; session and key are stored."""
    session = sdk.authenticate(key)
    assert asked() == ["validate"]
    assert (session.license_type, session.email) == ("research", "researcher@university.edu")
    assert (session.key_source, session.stale) == ("file", False)
    assert nimbus_sdk.current_session() == session
    assert sdk.get_stored_api_key() == key
    assert sdk.authenticate().user_id == session.user_id


def test_a_key_of_the_environment_is_not_copied_into_the_store(sdk, key, monkeypatch, paths):
    """It was put where it is on purpose."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    assert sdk.authenticate().key_source == "environment"
    assert not Path(paths.credentials).exists()
    assert sdk.get_stored_api_key() is None


def test_offline_the_stored_session_is_returned_without_a_request(sdk, key, asked, age):
    """With the key or without it, for as long as the session counts."""
    sdk.authenticate(key)
    age(hours=300)
    asked()
    assert sdk.authenticate(offline_mode=True).license_type == "research"
    assert sdk.authenticate(key, offline_mode=True).stale is False
    assert asked() == []


def test_offline_nothing_is_made_up(sdk, key, sandbox, age, asked):
    """No session, another key's session, an expired one: each is reported."""
    with pytest.raises(errors.SessionNotFoundError):
        sdk.authenticate(key, offline_mode=True)
    sdk.authenticate(key)
    with pytest.raises(errors.SessionNotFoundError, match="belongs to"):
        sdk.authenticate(sandbox.new_key(), offline_mode=True)
    age(expires_at=datetime.now(UTC))
    asked()
    with pytest.raises(errors.SessionExpiredError):
        sdk.authenticate(key, offline_mode=True)
    assert asked() == []


def test_the_offline_setting_counts_like_the_argument(sdk, key, asked, monkeypatch):
    """NIMBUS_SDK_OFFLINE=1: not one request, whatever is asked."""
    sdk.authenticate(key)
    asked()
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    assert sdk.authenticate(key)
    for call in (sdk.refresh_quota, sdk.revoke_api_key, sdk.list_available_models):
        with pytest.raises(errors.NimbusConnectionError, match="Offline mode"):
            call()
    assert sdk.authenticate_from_storage().stale is True
    assert asked() == []


def test_a_clock_that_was_set_back_is_cleared_by_one_call_online(sdk, key, paths):
    """A wrong clock locks out until the service has spoken."""
    sdk.authenticate(key)
    sealed.write_last_seen(paths, (datetime.now(UTC) + timedelta(days=3)).timestamp())
    session_lookup.clear_cache()
    with pytest.raises(errors.ClockRollbackError):
        nimbus_sdk.current_session()
    sdk.refresh_quota()
    assert nimbus_sdk.current_session()


def test_a_license_without_its_person_is_no_answer(sdk, key, sandbox):
    """validate must say whose the key is."""
    quota = {"monthly_limit": 1, "used": 0, "remaining": 1, "resets_at": None}
    body = {"valid": True, "license_type": "free", "features": [], "quota": quota}
    sandbox.fault("validate", body=body)
    with pytest.raises(errors.ResponseFormatError, match="user_id"):
        sdk.authenticate(key)


def test_from_storage_the_stored_key_counts_whatever_the_environment_says(sdk, key, sandbox, monkeypatch):
    """The other key is passed over."""
    sdk.save_api_key(key)
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key("free"))
    session = sdk.authenticate_from_storage()
    assert (session.license_type, session.key_source) == ("research", "file")


def test_from_storage_without_a_key_is_an_error(sdk, sandbox, monkeypatch, asked):
    """For which profile; nothing is asked."""
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key())
    with pytest.raises(errors.MissingKeyError, match="profile lab"):
        sdk.authenticate_from_storage(profile="lab")
    assert asked() == []


def test_a_stored_key_goes_to_the_service_that_accepted_it_and_to_no_other(sdk, key, wheel_dir, monkeypatch):
    """Another address in the settings gets nothing, and the message says why."""
    from nimbus_sdk.sandbox import Sandbox

    sdk.authenticate(key)
    with Sandbox(wheel_dir=wheel_dir) as stranger:
        for name, value in stranger.environment().items():
            monkeypatch.setenv(name, value)
        calls = [
            sdk.authenticate,
            sdk.authenticate_from_storage,
            sdk.refresh_quota,
            sdk.list_available_models,
        ]
        for call in [*calls, sdk.install_core, sdk.revoke_api_key]:
            with pytest.raises(errors.MissingKeyError, match="not used"):
                call()
        assert stranger.journal() == []
    assert nimbus_sdk.current_session()
