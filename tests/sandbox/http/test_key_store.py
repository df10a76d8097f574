"""Keys of all services are in one table, each in the list of its own service."""

from __future__ import annotations

import pytest

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.key_store import KeyStore, UnknownKeyError


@pytest.fixture
def database(clock):
    """A database in memory."""
    opened = Database(None, clock)
    yield opened
    opened.close()


@pytest.fixture
def store(database):
    """The keys of a service."""
    return KeyStore(database, "cortex", "active Cortex key")


def test_a_key_belongs_to_one_service(database, store):
    """A store neither finds nor revokes the keys of another."""
    store.add("secret", "s***", {"scope": "all"})
    other = KeyStore(database, "other", "active key")
    assert other.find("secret") is None
    assert other.list_all() == []
    with pytest.raises(UnknownKeyError, match="no such active key"):
        other.revoke("secret")


def test_a_key_is_found_changed_and_revoked(store, clock):
    """By its text or its id; a revoked key is listed and no longer found."""
    added = store.add("secret", "s***", {"scope": "all"})
    store.add("second", "s***", {}, "key_2")
    assert store.find("secret") == store.find_by_id(added.id) == added
    assert store.find("key_2") is None
    assert store.update(added, uses=1).fields == {"scope": "all", "uses": 1}
    store.set_secret(added, "changed", "c***")
    assert store.find("secret") is None
    assert store.find("changed").masked == "c***"
    clock.now += 1
    assert store.revoke("changed") == added.id
    with pytest.raises(UnknownKeyError, match="no such active Cortex key"):
        store.revoke(added.id)
    assert [key.revoked_at for key in store.list_all()] == [clock.now, None]
    assert [key.id for key in store.list_active()] == ["key_2"]


def test_changes_of_a_failed_transaction_are_undone(database, store):
    """Those of a transaction inside it too."""
    added = store.add("secret", "s***", {"uses": 0})

    def fail():
        with database.transaction():
            store.update(added, uses=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.find("secret").fields == {"uses": 0}
