"""License keys in a database file, with and without a running server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox, create_key, list_keys, revoke_key
from tests.support.sandbox_requests import (
    validate,
)


def test_keys_are_managed_without_a_server_and_while_one_runs(tmp_path, http):
    """A running server uses keys created, listed and revoked in its file at once."""
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
