"""The life of NeuroAI keys: create, list, get, update, rotate, delete, verify."""

from __future__ import annotations

import re

import pytest

from nimbus_sdk.sandbox.neuroai.routes import camel_case
from tests.support.sandbox_requests import (
    neuroai_error,
)

UNAUTHORIZED = {"error": {"code": "unauthorized", "message": "Invalid or missing API key"}}
GONE = {"error": {"code": "not_found", "message": "API key not found"}}


def test_a_created_key_is_shown_once_with_all_its_fields(neuroai, admin):
    """Create answers 201 with every field and the secret; get answers the same without it."""
    made = neuroai(
        admin,
        "POST",
        "/api-keys",
        json={
            "name": "Production CI/CD",
            "description": "Deploys agents",
            "role": "Developer",
            "type": "team",
            "expires_at": "2026-01-01T01:00:00+01:00",
            "referrers": ["*.example.com", "127.0.0.1"],
            "rate_limit": {"requests": 100, "per_seconds": 60},
        },
    )
    row = made.json()
    assert made.status_code == 201
    assert re.fullmatch(r"key_[0-9a-f]{16}", row["id"])
    assert re.fullmatch(r"nai_[0-9a-f]{40}", row["key"])
    row_without_key = {
        "id": row["id"],
        "name": "Production CI/CD",
        "description": "Deploys agents",
        "role": "Developer",
        "type": "team",
        "permissions": ["agents:read", "agents:write", "analytics:read"],
        "expires_at": "2026-01-01T00:00:00Z",
        "referrers": ["*.example.com", "127.0.0.1"],
        "rate_limit": {"requests": 100, "per_seconds": 60},
        "created_at": "2025-10-31T12:00:00Z",
        "rotated_at": None,
        "last_used_at": None,
        "key_prefix": row["key"][:12],
    }
    assert row == {**row_without_key, "key": row["key"]}
    got = neuroai(admin, "GET", f"/api-keys/{row['id']}")
    assert (got.status_code, got.json()) == (200, row_without_key)


def test_omitted_fields_have_their_defaults(neuroai, admin):
    """A name is enough for a team key: it may only read, never expires and is free of restrictions."""
    row = neuroai(admin, "POST", "/api-keys", json={"name": "x", "type": "team"}).json()
    assert (row["role"], row["permissions"]) == ("Viewer", ["agents:read", "analytics:read"])
    assert (row["description"], row["expires_at"], row["referrers"], row["rate_limit"]) == (
        "",
        None,
        [],
        None,
    )


def test_verify_returns_the_key_and_records_its_use(sandbox, neuroai, clock):
    """Verify returns the key's own row, last used now, to any role."""
    key = sandbox.new_neuroai_key(role="Viewer", name="Dashboard", type="service")
    clock.now += 60
    answer = neuroai(key, "GET", "/auth/verify")
    row = answer.json()["key"]
    assert answer.status_code == 200
    assert answer.json() == {
        "valid": True,
        "key": {
            "id": row["id"],
            "name": "Dashboard",
            "description": "",
            "role": "Viewer",
            "type": "service",
            "permissions": ["agents:read", "analytics:read"],
            "expires_at": None,
            "referrers": [],
            "rate_limit": None,
            "created_at": "2025-10-31T12:00:00Z",
            "rotated_at": None,
            "last_used_at": "2025-10-31T12:01:00Z",
            "key_prefix": key[:12],
        },
    }


def test_pages_are_stable_while_keys_are_created(neuroai, admin):
    """Five keys in pages of two: each once, oldest first, also when one is added in between."""
    for number in range(4):
        neuroai(admin, "POST", "/api-keys", json={"name": f"k{number}", "type": "team"})
    names, cursor, sizes = [], None, []
    for _ in range(9):
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = neuroai(admin, "GET", "/api-keys", params=params).json()
        assert page.keys() == {"data", "next_cursor"}
        if not names:
            neuroai(admin, "POST", "/api-keys", json={"name": "late", "type": "team"})
        names += [row["name"] for row in page["data"]]
        sizes.append(len(page["data"]))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["sandbox", "k0", "k1", "k2", "k3", "late"]
    assert sizes == [2, 2, 2]


def test_an_exhausted_list_is_an_empty_page(neuroai, admin):
    """A cursor whose rest was deleted returns no rows and no further cursor."""
    last = neuroai(admin, "POST", "/api-keys", json={"name": "last", "type": "team"}).json()["id"]
    cursor = neuroai(admin, "GET", "/api-keys", params={"limit": 1}).json()["next_cursor"]
    assert neuroai(admin, "DELETE", f"/api-keys/{last}").status_code == 204
    page = neuroai(admin, "GET", "/api-keys", params={"cursor": cursor})
    assert page.json() == {"data": [], "next_cursor": None}


def test_an_update_changes_the_given_fields_only(neuroai, admin):
    """PATCH sets the given fields, null removes a restriction, and the secret stays valid."""
    made = neuroai(
        admin,
        "POST",
        "/api-keys",
        json={
            "name": "old",
            "type": "team",
            "role": "Developer",
            "rate_limit": {"requests": 9, "per_seconds": 1},
        },
    ).json()
    secret = made.pop("key")
    changed = neuroai(
        admin,
        "PATCH",
        f"/api-keys/{made['id']}",
        json={"name": "new", "rate_limit": None, "expires_at": "2026-01-01T00:00:00Z"},
    )
    assert changed.status_code == 200
    assert changed.json() == {**made, "name": "new", "rate_limit": None, "expires_at": "2026-01-01T00:00:00Z"}
    assert neuroai(secret, "GET", "/auth/verify").status_code == 200


def test_a_role_without_permissions_brings_its_own(neuroai, admin):
    """Custom permissions end when only a role is set, and stay when both are."""
    made = neuroai(
        admin, "POST", "/api-keys", json={"name": "x", "type": "team", "permissions": ["agents:read"]}
    ).json()
    assert (made["role"], made["permissions"]) == (None, ["agents:read"])
    path = f"/api-keys/{made['id']}"
    row = neuroai(admin, "PATCH", path, json={"role": "Developer"}).json()
    assert row["permissions"] == ["agents:read", "agents:write", "analytics:read"]
    row = neuroai(admin, "PATCH", path, json={"role": "Auditor", "permissions": ["audit_logs:read"]}).json()
    assert (row["role"], row["permissions"]) == ("Auditor", ["audit_logs:read"])


def test_rotation_returns_a_new_secret_and_invalidates_the_old_one(neuroai, admin, clock):
    """The id and the settings stay; the old secret is 401 from then on."""
    made = neuroai(admin, "POST", "/api-keys", json={"name": "x", "type": "team"}).json()
    old = made.pop("key")
    clock.now += 90 * 86_400
    answer = neuroai(admin, "POST", f"/api-keys/{made['id']}/rotate")
    rotated = answer.json()
    new = rotated.pop("key")
    assert answer.status_code == 200
    assert rotated == {**made, "rotated_at": "2026-01-29T12:00:00Z", "key_prefix": new[:12]}
    assert (neuroai(old, "GET", "/auth/verify").status_code, new != old) == (401, True)
    assert neuroai(new, "GET", "/auth/verify").status_code == 200


def test_a_key_can_rotate_itself(neuroai, admin):
    """The caller's own secret is invalid after the response with the new one."""
    own = neuroai(admin, "GET", "/auth/verify").json()["key"]["id"]
    new = neuroai(admin, "POST", f"/api-keys/{own}/rotate").json()["key"]
    assert neuroai(admin, "GET", "/api-keys").status_code == 401
    assert neuroai(new, "GET", "/api-keys").status_code == 200


def test_a_deleted_key_is_gone_for_ever(neuroai, admin):
    """DELETE answers 204 without a body; then the secret is 401 and the id 404 for every call."""
    made = neuroai(admin, "POST", "/api-keys", json={"name": "x", "type": "team"}).json()
    path = f"/api-keys/{made['id']}"
    done = neuroai(admin, "DELETE", path)
    assert (done.status_code, done.content) == (204, b"")
    assert neuroai(made["key"], "GET", "/auth/verify").json() == UNAUTHORIZED
    requests = [("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/rotate")]
    answers = [neuroai(admin, method, target, json={}) for method, target in requests]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(404, GONE)] * 4


def test_an_expired_key_is_401_and_cannot_be_rotated(neuroai, admin, clock):
    """From its expiry on a key is 401 key_expired; with a new expiry it is valid again."""
    made = neuroai(
        admin, "POST", "/api-keys", json={"name": "x", "type": "team", "expires_at": "2025-10-31T12:01:00Z"}
    ).json()
    clock.now += 59
    assert neuroai(made["key"], "GET", "/auth/verify").status_code == 200
    clock.now += 1
    answer = neuroai(made["key"], "GET", "/auth/verify")
    assert (answer.status_code, answer.json()) == (
        401,
        {"error": {"code": "key_expired", "message": "API key has expired"}},
    )
    path = f"/api-keys/{made['id']}"
    assert neuroai_error(neuroai(admin, "POST", f"{path}/rotate")) == (409, "conflict")
    assert neuroai(admin, "PATCH", path, json={"name": "renamed"}).status_code == 200
    assert neuroai(admin, "PATCH", path, json={"expires_at": None}).status_code == 200
    assert neuroai(made["key"], "GET", "/auth/verify").status_code == 200


def test_other_methods_and_paths(neuroai, admin):
    """405 lists the allowed methods; an unknown path is 404, or 401 without a key."""
    answer = neuroai(admin, "PUT", "/api-keys")
    assert (*neuroai_error(answer), answer.headers["allow"]) == (405, "method_not_allowed", "GET, POST")
    assert neuroai_error(neuroai(admin, "GET", "/users")) == (404, "not_found")
    assert neuroai_error(neuroai(None, "GET", "/users")) == (401, "unauthorized")


def test_agents_are_created_and_renamed(sandbox, neuroai):
    """A Developer creates and renames an agent; an unknown one is 404, one without a name 422."""
    key = sandbox.new_neuroai_key(role="Developer")
    made = neuroai(key, "POST", "/agents", json={"name": "Reader"}).json()
    assert neuroai(key, "PATCH", f"/agents/{made['id']}", json={"name": "Writer"}).status_code == 200
    assert neuroai(key, "GET", "/agents").json() == {
        "data": [{"id": "agt_sandbox", "name": "Sandbox agent"}, {"id": made["id"], "name": "Writer"}],
        "next_cursor": None,
    }
    assert neuroai_error(neuroai(key, "PATCH", "/agents/agt_none", json={"name": "x"})) == (404, "not_found")
    assert neuroai_error(neuroai(key, "POST", "/agents", json={})) == (422, "invalid_request")


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "x"}, {"cursor": "§"}, {"cursor": "AAAA"}],
)
def test_invalid_pages_are_422(neuroai, admin, params):
    """A limit out of range and an unknown cursor are invalid requests."""
    assert neuroai_error(neuroai(admin, "GET", "/api-keys", params=params)) == (422, "invalid_request")


def test_responses_can_be_in_camel_case(sandbox, neuroai, admin):
    """With the switch set every name is camelCase, at every depth, and requests stay as they were."""
    sandbox.switches.neuroai_camel_case = True
    made = neuroai(
        admin,
        "POST",
        "/api-keys",
        json={"name": "x", "type": "team", "rate_limit": {"requests": 5, "per_seconds": 1}},
    ).json()
    assert made["rateLimit"] == {"requests": 5, "perSeconds": 1}
    assert {"expiresAt", "createdAt", "rotatedAt", "lastUsedAt", "keyPrefix", "key"} < made.keys()
    assert not [name for name in made if "_" in name]
    page = neuroai(admin, "GET", "/api-keys", params={"limit": 1}).json()
    assert page.keys() == {"data", "nextCursor"}
    assert neuroai(admin, "GET", "/auth/verify").json()["key"]["keyPrefix"] == admin[:12]


def test_names_at_every_depth_are_in_camel_case():
    """Values stay as they are."""
    spelled = camel_case({"next_cursor": None, "data": [{"key_prefix": "nai_1"}]})
    assert spelled == {"nextCursor": None, "data": [{"keyPrefix": "nai_1"}]}
