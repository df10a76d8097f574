"""Storing what was confirmed: all of it or none."""

import logging
import os
from pathlib import Path

import pytest

from nimbus_sdk import errors
from nimbus_sdk.account import session_store
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


@pytest.fixture
def full_disk(paths):
    """Makes it impossible to store a session, or to stage one, and possible again."""

    def block(free=False):
        for path in (Path(paths.session), Path(paths.next_session)):
            if free:
                (path / "x").rmdir()
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
                (path / "x").mkdir(parents=True)

    return block


@pytest.mark.parametrize("call", ["authenticate", "install_core"])
def test_a_session_that_cannot_be_stored_leaves_no_key_behind(sdk, key, full_disk, call):
    """The first key is taken out of the store again."""
    full_disk()
    with pytest.raises(errors.SessionError):
        getattr(sdk, call)(key)
    assert sdk.get_stored_api_key() is None
    full_disk(free=True)
    assert getattr(sdk, call)(key)
    assert sdk.get_stored_api_key() == key


@pytest.mark.parametrize("call", ["authenticate", "install_core"])
def test_an_edited_session_is_set_aside_before_it_is_replaced(sdk, key, paths, call):
    """What somebody changed stays under another name, and the confirmed session is in its place."""
    sdk.authenticate(key)
    session = Path(paths.session)
    edited = session.read_text().replace("research", "enterprise")
    session.write_text(edited)
    assert getattr(sdk, call)(key).license_type == "research"
    assert [aside.read_text() for aside in session.parent.glob("session.json.damaged-*")] == [edited]
    assert sdk.current_session().license_type == "research"


@pytest.mark.parametrize("call", ["authenticate", "install_core"])
def test_the_key_that_was_stored_before_is_restored(sdk, key, sandbox, full_disk, call):
    """A new account that could not be stored does not cost the old one."""
    getattr(sdk, call)(key)
    full_disk()
    with pytest.raises(errors.SessionError):
        sdk.authenticate(sandbox.new_key())
    assert sdk.get_stored_api_key() == key


def test_the_same_key_stays(sdk, key, full_disk):
    """There is nothing to put back."""
    sdk.save_api_key(key)
    full_disk()
    with pytest.raises(errors.SessionError):
        sdk.authenticate(key)
    assert sdk.get_stored_api_key() == key


def test_a_key_whose_place_was_emptied_by_hand_is_not_invented(sdk, key, sandbox, full_disk, paths):
    """The note says that there was one, the store says that there is none: none is left."""
    sdk.save_api_key(sandbox.new_key())
    os.unlink(paths.credentials)
    full_disk()
    with pytest.raises(errors.SessionError):
        sdk.authenticate(key)
    assert sdk.get_stored_api_key() is None


def test_a_store_that_fails_while_it_is_restored_is_logged(sdk, key, full_disk, monkeypatch, caplog):
    """The error of the call stays the error."""

    def refuse(*_):
        raise errors.CredentialStoreError("the store is locked")

    monkeypatch.setattr(session_store, "delete_key", refuse)
    full_disk()
    with caplog.at_level(logging.WARNING, "nimbus_sdk"), pytest.raises(errors.SessionError):
        sdk.authenticate(key)
    assert "the store is locked" in caplog.text
    assert key not in caplog.text


def test_a_store_that_refuses_the_key_stores_no_session(sdk, key, paths):
    """Whoever gives a key wants it stored; without that nothing is half done."""
    os.makedirs(paths.credentials)
    with pytest.raises(errors.CredentialStoreError):
        sdk.authenticate(key)
    with pytest.raises(errors.SessionNotFoundError):
        sdk.current_session()
