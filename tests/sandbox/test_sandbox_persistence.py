"""What a database file keeps, and what the command line can do with it while no server runs."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox, create_key, list_keys, revoke_key


def validate(sandbox, http, key):
    """Validate over HTTP."""
    return http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key})


def test_keys_quota_revocations_and_tokens_outlive_the_server(tmp_path, http, core_source):
    """After a restart on the same file, keys, counts, refusals and tokens are what they were."""
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db, core_source=core_source) as sandbox:
        kept, dead = sandbox.new_key("free", used=5), sandbox.new_key()
        http.post(
            f"{sandbox.api_url}/v1/analytics/log", json={"api_key": kept, "event_type": "inference"}
        ).raise_for_status()
        sandbox.revoke_key(dead, reason="rotated")
        token = http.get(f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": kept}).json()[
            "github_token"
        ]
    with Sandbox(db=db, core_source=core_source) as sandbox:
        assert validate(sandbox, http, kept).json()["quota"]["used"] == 6
        assert validate(sandbox, http, dead).json()["code"] == "INVALID_KEY"
        assert [line["reason"] for line in sandbox.audit()] == ["rotated"]
        latest = f"{sandbox.github_url}/repos/nimbusbci/NimbusSDKCore/releases/latest"
        assert http.get(latest, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_memory_forgets(http):
    """Without a file a restarted sandbox knows no key of before."""
    sandbox = Sandbox()
    with sandbox:
        key = sandbox.new_key()
    with sandbox:
        assert validate(sandbox, http, key).status_code == 401


def test_keys_are_managed_without_a_server_and_beside_one(tmp_path, http):
    """Keys made, listed and revoked in the file are at once what a running server goes by."""
    db = tmp_path / "sandbox.db"
    first = create_key(db, "enterprise", kind="live", used=4)
    with Sandbox(db=db) as sandbox:
        assert validate(sandbox, http, first).json()["license_type"] == "enterprise"
        second = create_key(db, expires_at=datetime(2099, 1, 1, tzinfo=UTC))
        assert validate(sandbox, http, second).status_code == 200
        revoke_key(db, list_keys(db)[0]["fingerprint"], reason="old")
        assert validate(sandbox, http, first).status_code == 401
    rows = list_keys(db)
    assert [row["kind"] for row in rows] == ["live", "test"]
    assert [row["revoked_at"] is None for row in rows] == [False, True]
    with pytest.raises(ConfigurationError, match="no such active key"):
        revoke_key(db, first)


def test_the_file_holds_digests_only(tmp_path):
    """The keys table has a SHA-256 and a mask where the key would be."""
    db = tmp_path / "sandbox.db"
    key = create_key(db)
    with sqlite3.connect(db) as connection:
        (row,) = connection.execute("SELECT key_hash, masked FROM keys").fetchall()
    connection.close()
    assert len(row[0]) == 64
    assert row[1] == f"{key[:14]}…{key[-4:]}"


def test_files_that_are_no_database_are_refused(tmp_path):
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
    """Health asks the database, and says 503 when another process has spoilt it."""
    db = tmp_path / "sandbox.db"
    with Sandbox(db=db) as sandbox:
        with sqlite3.connect(db) as connection:
            connection.execute("DROP TABLE keys")
        connection.close()
        answer = http.get(f"{sandbox.api_url}/api/health")
    assert (answer.status_code, answer.json()["error"]) == (503, "Database connection failed")
