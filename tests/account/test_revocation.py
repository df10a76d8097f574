"""Revoking a key: at the service first, then on this machine."""

import pytest

import nimbus_sdk
from nimbus_sdk import RevocationResult, errors
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.storage import sealed
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def test_a_revoked_key_is_removed_everywhere(sdk, key, sandbox, asked, paths):
    """At the service, in the session and in the store; the reason is in the service's audit."""
    sdk.authenticate(key)
    asked()
    result = sdk.revoke_api_key(reason="end of study")
    assert asked() == ["revoke"]
    assert result == RevocationResult(True, "API key successfully revoked", ApiKey.parse(key).masked)
    assert key not in repr(result)
    assert sandbox.audit()[0]["reason"] == "end of study"
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()
    assert sdk.get_stored_api_key() is None
    assert (
        sealed.read_rejection(paths, ApiKey.parse(key).fingerprint, origin(Settings.load().api_url))["code"]  # type: ignore[index]
        == "REVOKED"
    )
    with pytest.raises(errors.InvalidKeyError):
        sdk.authenticate(key)


def test_a_revoked_key_is_cleared_under_every_profile(sdk, key, sandbox):
    """Stored twice, deleted twice; a third profile keeps the key of its own."""
    other = sandbox.new_key()
    for profile, one in (("default", key), ("second-desk", key), ("guest", other)):
        sdk.authenticate(one, profile=profile)
    assert sdk.revoke_api_key(profile="second-desk").revoked
    assert sdk.get_stored_api_key() is None
    assert sdk.get_stored_api_key(profile="second-desk") is None
    assert sdk.get_stored_api_key(profile="guest") == other
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()
    assert nimbus_sdk.current_session(profile="guest")


def test_only_what_belongs_to_that_key_is_cleared(sdk, key, sandbox):
    """Another account's session and key stay."""
    mine = sdk.authenticate(key)
    other = sandbox.new_key()
    assert sdk.revoke_api_key(other).revoked
    assert nimbus_sdk.current_session() == mine
    assert sdk.get_stored_api_key() == key


def test_a_revoke_whose_answer_was_lost_has_succeeded(sdk, key, sandbox, asked):
    """The service did it, the response was cut; the retry finds nothing, and that is a success."""
    sdk.authenticate(key)
    asked()
    sandbox.fault("revoke", reset="after_head")
    assert sdk.revoke_api_key().revoked is True
    assert asked() == ["revoke", "revoke"]
    assert sdk.get_stored_api_key() is None
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()


def test_a_key_that_is_not_there_cannot_be_revoked(sdk, key, asked):
    """Revoked before, or never there: an error, and nothing of another key is touched."""
    sdk.authenticate(key)
    asked()
    with pytest.raises(errors.KeyNotFoundError) as caught:
        sdk.revoke_api_key("nbci_test_" + "0" * 48)
    assert caught.value.answer_lost is False
    assert asked() == ["revoke"]
    assert nimbus_sdk.current_session()


def test_a_service_that_did_not_revoke_is_not_misread(sdk, key, sandbox):
    """revoked: false leaves everything in its place."""
    sdk.authenticate(key)
    sandbox.fault("revoke", body={"revoked": False, "message": "Ask your administrator"})
    result = sdk.revoke_api_key()
    assert (result.revoked, result.message) == (False, "Ask your administrator")
    assert nimbus_sdk.current_session()
    assert sdk.get_stored_api_key() == key


def test_without_a_key_nothing_is_revoked(sdk, sandbox, asked):
    """There is nothing to ask."""
    with pytest.raises(errors.MissingKeyError):
        sdk.revoke_api_key()
    assert asked() == []
