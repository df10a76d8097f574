"""What NeuroAI keys may do on the sandbox: roles, custom permissions, personal keys, accounts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nimbus_sdk.errors import ConfigurationError
from tests.sandbox.conftest import NOON


def refusal(answer):
    """Status and error code."""
    return answer.status_code, answer.json()["error"]["code"]


ALLOWED = {
    "Viewer": {"agents": 200, "new agent": 403, "keys": 403, "new key": 403, "audit": 403},
    "Developer": {"agents": 200, "new agent": 201, "keys": 403, "new key": 403, "audit": 403},
    "Administrator": {"agents": 200, "new agent": 201, "keys": 200, "new key": 201, "audit": 200},
    "API Manager": {"agents": 403, "new agent": 403, "keys": 200, "new key": 201, "audit": 200},
}


@pytest.mark.parametrize("role", ALLOWED)
def test_each_role_may_do_what_the_table_says(sandbox, neuroai, role):
    """Viewers read, Developers make agents, and only Administrators and API Managers manage keys."""
    key = sandbox.new_neuroai_key(role=role)
    asked = {
        "agents": neuroai(key, "GET", "/agents"),
        "new agent": neuroai(key, "POST", "/agents", json={"name": "a"}),
        "keys": neuroai(key, "GET", "/api-keys"),
        "new key": neuroai(key, "POST", "/api-keys", json={"name": "k", "type": "team", "role": "Viewer"}),
        "audit": neuroai(key, "GET", "/audit-logs"),
    }
    assert {name: answer.status_code for name, answer in asked.items()} == ALLOWED[role]
    for name, answer in asked.items():
        if ALLOWED[role][name] == 403:
            assert answer.json()["error"]["code"] == "forbidden"


def test_custom_permissions_stand_in_place_of_a_role(sandbox, neuroai):
    """A key with one permission may do that one thing; the refusal names what is missing."""
    key = sandbox.new_neuroai_key(role=None, permissions=["audit_logs:read"])
    assert neuroai(key, "GET", "/audit-logs").status_code == 200
    assert neuroai(key, "GET", "/api-keys").json() == {
        "error": {"code": "forbidden", "message": "API key lacks the permission api_keys:read"}
    }


def test_a_personal_key_cannot_exceed_its_creator(sandbox, neuroai):
    """A personal key above its creator is 403, when it is made and when it is changed; a team key is not."""
    manager = sandbox.new_neuroai_key(role="API Manager")
    wanted = {"name": "mine", "type": "personal", "role": "Administrator"}
    answer = neuroai(manager, "POST", "/api-keys", json=wanted)
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": {"code": "forbidden", "message": "A personal key cannot exceed its creator's permissions"}},
    )
    assert neuroai(manager, "POST", "/api-keys", json={**wanted, "type": "team"}).status_code == 201

    narrow = {"name": "mine", "permissions": ["api_keys:read"]}
    mine = neuroai(manager, "POST", "/api-keys", json=narrow).json()
    assert (mine["type"], mine["permissions"]) == ("personal", ["api_keys:read"])
    raised = neuroai(manager, "PATCH", f"/api-keys/{mine['id']}", json={"role": "Administrator"})
    assert refusal(raised) == (403, "forbidden")
    assert neuroai(manager, "GET", f"/api-keys/{mine['id']}").json()["permissions"] == ["api_keys:read"]


def test_a_personal_key_inherits_its_creator(sandbox, neuroai):
    """Without a role of its own a personal key has its creator's, custom permissions included."""
    manager = sandbox.new_neuroai_key(role="API Manager")
    assert neuroai(manager, "POST", "/api-keys", json={"name": "a"}).json()["role"] == "API Manager"
    custom = sandbox.new_neuroai_key(role="Ops", permissions=["api_keys:write"])
    row = neuroai(custom, "POST", "/api-keys", json={"name": "b"}).json()
    assert (row["role"], row["permissions"]) == ("Ops", ["api_keys:write"])


def test_personal_keys_end_with_their_account(sandbox, neuroai):
    """Deactivating an account ends its personal keys, and those of its team go on."""
    lead = sandbox.new_neuroai_key(role="API Manager", user="usr_lead")
    keys = {
        kind: neuroai(lead, "POST", "/api-keys", json={"name": kind, "type": kind}).json()["key"]
        for kind in ("personal", "team", "service")
    }
    stranger = sandbox.new_neuroai_key(type="personal", user="usr_other")
    sandbox.deactivate_neuroai_user("usr_lead")
    statuses = {kind: neuroai(key, "GET", "/auth/verify").status_code for kind, key in keys.items()}
    assert statuses == {"personal": 401, "team": 200, "service": 200}
    assert neuroai(stranger, "GET", "/auth/verify").status_code == 200


def test_agents_are_made_and_renamed(sandbox, neuroai):
    """A Developer makes an agent and changes it; one that does not exist is 404, one without a name 422."""
    key = sandbox.new_neuroai_key(role="Developer")
    made = neuroai(key, "POST", "/agents", json={"name": "Reader"}).json()
    assert neuroai(key, "PATCH", f"/agents/{made['id']}", json={"name": "Writer"}).status_code == 200
    assert neuroai(key, "GET", "/agents").json() == {
        "data": [{"id": "agt_sandbox", "name": "Sandbox agent"}, {"id": made["id"], "name": "Writer"}],
        "next_cursor": None,
    }
    assert refusal(neuroai(key, "PATCH", "/agents/agt_none", json={"name": "x"})) == (404, "not_found")
    assert refusal(neuroai(key, "POST", "/agents", json={})) == (422, "invalid_request")


def test_python_makes_and_ends_keys_of_any_kind(sandbox, neuroai):
    """A key of a custom role that has expired can be made; one is ended by its secret or its id, once."""
    expired = datetime.fromtimestamp(NOON, UTC)
    old = sandbox.new_neuroai_key(role="Auditor", permissions=["audit_logs:read"], expires_at=expired)
    assert refusal(neuroai(old, "GET", "/auth/verify")) == (401, "key_expired")
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
