"""NeuroAI keys: personal keys and their owners, keys created in Python."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nimbus_sdk.errors import ConfigurationError
from tests.sandbox.conftest import NOON
from tests.support.sandbox_requests import (
    neuroai_error,
)


def test_a_personal_key_cannot_exceed_its_creator(sandbox, neuroai):
    """A personal key above its creator is 403, when created and when changed; a team key is not."""
    manager = sandbox.new_neuroai_key(role="API Manager")
    body = {"name": "mine", "type": "personal", "role": "Administrator"}
    answer = neuroai(manager, "POST", "/api-keys", json=body)
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": {"code": "forbidden", "message": "A personal key cannot exceed its creator's permissions"}},
    )
    assert neuroai(manager, "POST", "/api-keys", json={**body, "type": "team"}).status_code == 201

    narrow = {"name": "mine", "permissions": ["api_keys:read"]}
    mine = neuroai(manager, "POST", "/api-keys", json=narrow).json()
    assert (mine["type"], mine["permissions"]) == ("personal", ["api_keys:read"])
    raised = neuroai(manager, "PATCH", f"/api-keys/{mine['id']}", json={"role": "Administrator"})
    assert neuroai_error(raised) == (403, "forbidden")
    assert neuroai(manager, "GET", f"/api-keys/{mine['id']}").json()["permissions"] == ["api_keys:read"]


def test_a_personal_key_inherits_its_creator(sandbox, neuroai):
    """Without a role of its own a personal key has its creator's, custom permissions included."""
    manager = sandbox.new_neuroai_key(role="API Manager")
    assert neuroai(manager, "POST", "/api-keys", json={"name": "a"}).json()["role"] == "API Manager"
    custom = sandbox.new_neuroai_key(role="Ops", permissions=["api_keys:write"])
    row = neuroai(custom, "POST", "/api-keys", json={"name": "b"}).json()
    assert (row["role"], row["permissions"]) == ("Ops", ["api_keys:write"])


def test_personal_keys_end_with_their_account(sandbox, neuroai):
    """Deactivating an account deletes its personal keys, and those of its team stay valid."""
    lead = sandbox.new_neuroai_key(role="API Manager", user="usr_lead")
    keys = {
        kind: neuroai(lead, "POST", "/api-keys", json={"name": kind, "type": kind}).json()["key"]
        for kind in ("personal", "team", "service")
    }
    other = sandbox.new_neuroai_key(type="personal", user="usr_other")
    sandbox.deactivate_neuroai_user("usr_lead")
    statuses = {kind: neuroai(key, "GET", "/auth/verify").status_code for kind, key in keys.items()}
    assert statuses == {"personal": 401, "team": 200, "service": 200}
    assert neuroai(other, "GET", "/auth/verify").status_code == 200


def test_keys_of_any_kind_are_created_and_revoked_in_python(sandbox, neuroai):
    """An expired key with a custom role can be created; a key is revoked once, by its secret or its id."""
    expired = datetime.fromtimestamp(NOON, UTC)
    old = sandbox.new_neuroai_key(role="Auditor", permissions=["audit_logs:read"], expires_at=expired)
    assert neuroai_error(neuroai(old, "GET", "/auth/verify")) == (401, "key_expired")
    key, other = sandbox.new_neuroai_key(), sandbox.new_neuroai_key()
    own = neuroai(key, "GET", "/auth/verify").json()["key"]["id"]
    sandbox.revoke_neuroai_key(own)
    sandbox.revoke_neuroai_key(other)
    assert [neuroai(name, "GET", "/auth/verify").status_code for name in (key, other)] == [401, 401]
    with pytest.raises(ConfigurationError, match="no such NeuroAI key"):
        sandbox.revoke_neuroai_key(own)
    with pytest.raises(ConfigurationError, match="role is one of"):
        sandbox.new_neuroai_key(role="Auditor")
    with pytest.raises(ConfigurationError, match="time zone"):
        sandbox.new_neuroai_key(expires_at=datetime(2030, 1, 1))
