"""The session as users have it: where its key is, and its end."""

import pytest

from nimbus_sdk.errors import MissingKeyError, SessionNotFoundError
from tests.support.evidence import everything_in
from tests.support.sessions import KEY, OTHER, made


def test_the_key_of_a_session_is_fetched_and_never_another(monkeypatch):
    """The session asks where keys are stored; another account's key is not handed out for it."""
    session = made()
    with pytest.raises(MissingKeyError):
        _ = session.api_key
    monkeypatch.setenv("NIMBUS_API_KEY", OTHER.reveal())
    with pytest.raises(MissingKeyError, match="was not found") as caught:
        _ = session.api_key
    assert OTHER.masked in str(caught.value)
    assert OTHER.reveal() not in everything_in(caught.value)
    monkeypatch.setenv("NIMBUS_API_KEY", KEY.reveal())
    assert session.api_key.get_secret_value() == KEY.reveal()


def test_a_session_is_invalidated_and_key_and_core_stay(sdk, key):
    """The next offline start finds none; twice is as good as once."""
    sdk.authenticate(key)
    assert sdk.current_session().license_type == "research"
    assert sdk.invalidate_session() is None
    assert sdk.invalidate_session() is None
    with pytest.raises(SessionNotFoundError):
        sdk.current_session()
    assert sdk.get_stored_api_key() == key
