"""The database file stores keys, quotas and tokens for the next sandbox, each key for its own service."""

from __future__ import annotations

import sqlite3

import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox, create_key, list_keys
from nimbus_sdk.sandbox.http.database import Database, KeyStore, UnknownKeyError
from tests.support.sandbox_requests import (
    new_service_keys,
    request_service,
    validate,
)


def test_keys_quotas_revocations_and_tokens_are_persistent(tmp_path, http, core_source):
    """After a restart with the same file, keys, counts, revocations and tokens are unchanged."""
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox:
        valid, revoked = sandbox.new_key("free", used=5), sandbox.new_key()
        http.post(
            f"{sandbox.api_url}/v1/analytics/log", json={"api_key": valid, "event_type": "inference"}
        ).raise_for_status()
        sandbox.revoke_key(revoked, reason="rotated")
        token = http.get(f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": valid}).json()[
            "github_token"
        ]
    with Sandbox(db=db, core_source=core_source) as sandbox:
        assert validate(sandbox, http, valid).json()["quota"]["used"] == 6
        assert validate(sandbox, http, revoked).json()["code"] == "INVALID_KEY"
        assert [line["reason"] for line in sandbox.audit()] == ["rotated"]
        latest = f"{sandbox.github_url}/repos/nimbusbci/NimbusSDKCore/releases/latest"
        assert http.get(latest, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_keys_of_all_services_are_persistent(tmp_path, http, core_source):
    """After a restart with the same file, valid, revoked and disabled keys are what they were."""
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox:
        keys, revoked = new_service_keys(sandbox), new_service_keys(sandbox)
        disabled = {**keys, "nexus": sandbox.new_nexus_key(integration_id="int_off")}
        sandbox.revoke_nimbus_os_key(revoked["nimbus_os"])
        sandbox.revoke_neuroai_key(revoked["neuroai"])
        sandbox.revoke_nexus_key(revoked["nexus"])
        sandbox.disable_nexus("int_off")
    endpoints = ("nimbus_os", "neuroai_verify", "nexus_thread")
    with Sandbox(db=db, core_source=core_source) as sandbox:
        assert [request_service(sandbox, http, name, keys).status_code for name in endpoints] == [
            200,
            200,
            201,
        ]
        assert [request_service(sandbox, http, name, revoked).status_code for name in endpoints] == [
            401,
            401,
            401,
        ]
        assert request_service(sandbox, http, "nexus_thread", disabled).status_code == 403


def test_a_key_of_another_sandbox_is_unknown(sandbox, http, core_source):
    """Each sandbox has its own keys and its own signing secret."""
    with Sandbox(core_source=core_source) as other:
        foreign = new_service_keys(other)
    answers = [
        request_service(sandbox, http, name, foreign)
        for name in ("nimbus_os", "neuroai_verify", "nexus_thread")
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]


def test_a_database_in_memory_is_not_persistent(http):
    """Without a file a restarted sandbox knows no key of before."""
    sandbox = Sandbox()
    with sandbox:
        key = sandbox.new_key()
    with sandbox:
        assert validate(sandbox, http, key).status_code == 401


def test_the_file_has_digests_only(tmp_path):
    """The keys table has a SHA-256 and a mask where the key would be."""
    db = tmp_path / "sandbox.db"
    key = create_key(db)
    with sqlite3.connect(db) as connection:
        (row,) = connection.execute("SELECT key_hash, masked FROM keys").fetchall()
    connection.close()
    assert len(row[0]) == 64
    assert row[1] == f"{key[:14]}…{key[-4:]}"


def test_files_that_are_not_a_database_are_refused(tmp_path):
    """A foreign file, a missing folder and a missing file each get a configuration error."""
    (tmp_path / "notes.txt").write_text("These are my notes, not a database." * 50)
    with pytest.raises(ConfigurationError, match=r"notes\.txt"), Sandbox(db=tmp_path / "notes.txt"):
        pass
    with pytest.raises(ConfigurationError):
        create_key(tmp_path / "missing" / "sandbox.db")
    with pytest.raises(ConfigurationError, match="no sandbox database"):
        list_keys(tmp_path / "absent.db")
    assert not (tmp_path / "absent.db").exists()


def test_health_notices_a_database_that_lost_its_tables(tmp_path, http):
    """Health queries the database, and is 503 when another process has damaged it."""
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db) as sandbox:
        with sqlite3.connect(db) as connection:
            connection.execute("DROP TABLE keys")
        connection.close()
        answer = http.get(f"{sandbox.api_url}/api/health")
    assert (answer.status_code, answer.json()["error"]) == (503, "Database connection failed")


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
