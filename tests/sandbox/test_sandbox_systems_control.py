"""Keys of Nimbus OS, NeuroAI and Nexus, made and ended by other processes over the control plane."""

from __future__ import annotations

import jwt
import pytest


@pytest.fixture
def control(sandbox, http):
    """Calls a control route with the token."""

    def ask(method, path, **options):
        headers = {"Authorization": f"Bearer {sandbox.control_token}"}
        return http.request(method, f"{sandbox.api_url}/_sandbox/{path}", headers=headers, **options)

    return ask


def test_nimbus_os_keys_over_the_control_plane(sandbox, http, control):
    """A key is made with its environment, listed masked, and revoked; the second time it is 404."""
    made = control(
        "POST", "nimbus-os/keys", json={"environment": "production", "permissions": ["orders:read"]}
    )
    key = made.json()["key"]
    assert made.status_code == 201
    orders = f"{sandbox.nimbus_os_url('production')}/orders"
    assert http.get(orders, headers={"X-API-Key": key}).status_code == 200
    revoked = control("POST", "nimbus-os/keys/revoke", json={"key": key})
    assert (revoked.status_code, revoked.json()) == (200, {"revoked": True})
    assert http.get(orders, headers={"X-API-Key": key}).status_code == 401
    assert control("POST", "nimbus-os/keys/revoke", json={"key": key}).status_code == 404
    assert control("GET", "nimbus-os/keys").json() == {
        "keys": [
            {
                "key": f"nos_production_***{key[-4:]}",
                "environment": "production",
                "permissions": ["orders:read"],
                "created_at": "2025-10-31T12:00:00Z",
                "revoked_at": "2025-10-31T12:00:00Z",
            }
        ]
    }


def test_neuroai_keys_over_the_control_plane(sandbox, http, control):
    """A key is made with expiry and owner, listed without its secret, ended by its id or account."""
    verify = f"{sandbox.neuroai_url}/v1/auth/verify"
    fields = {"role": "Viewer", "type": "personal", "user": "usr_1", "expires_at": "2026-01-01T00:00:00Z"}
    keys = [control("POST", "neuroai/keys", json=fields).json()["key"] for _ in range(2)]
    rows = control("GET", "neuroai/keys").json()["keys"]
    assert [(row["role"], row["expires_at"]) for row in rows] == [("Viewer", "2026-01-01T00:00:00Z")] * 2
    assert "key" not in rows[0]
    assert control("POST", "neuroai/keys/revoke", json={"key": rows[0]["id"]}).status_code == 200
    assert http.get(verify, headers={"Authorization": f"Bearer {keys[0]}"}).status_code == 401
    assert control("DELETE", "neuroai/users/usr_1").status_code == 204
    assert http.get(verify, headers={"Authorization": f"Bearer {keys[1]}"}).status_code == 401
    assert control("POST", "switches", json={"neuroai_camel_case": True}).json()["neuroai_camel_case"] is True


def test_nexus_keys_over_the_control_plane(sandbox, http, control):
    """A key is made and told by its claims; its integration is switched off and on; it is revoked."""
    fields = {"integration_id": "int_abc123", "permissions": ["write"], "expires_in": 60}
    key = control("POST", "nexus/keys", json=fields).json()["key"]
    (row,) = control("GET", "nexus/keys").json()["keys"]
    claims = jwt.decode(key, options={"verify_signature": False})
    assert row == {**claims, "created_at": "2025-10-31T12:00:00Z", "revoked_at": None}

    def status():
        thread = f"{sandbox.nexus_url}/api/public/thread"
        return http.post(thread, headers={"api-key": key}, json={"message": "Hello"}).status_code

    assert control("PUT", "nexus/disabled/int_abc123").status_code == 204
    assert status() == 403
    assert control("DELETE", "nexus/disabled/int_abc123").status_code == 204
    assert status() == 201
    assert control("POST", "nexus/keys/revoke", json={"key": key}).status_code == 200
    assert status() == 401


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("nimbus-os/keys", {"environment": "staging"}),
        ("nimbus-os/keys", {"permissions": 5}),
        ("nimbus-os/keys", {"colour": "red"}),
        ("neuroai/keys", {"role": "Emperor"}),
        ("neuroai/keys", {"expires_at": "tomorrow"}),
        ("neuroai/keys", {"expires_at": 5}),
        ("neuroai/keys", {"rate_limit": 5}),
        ("neuroai/keys", {"user": 5}),
        ("neuroai/keys", {"permissions": "agents:read"}),
        ("neuroai/keys", {"referrers": "example.com"}),
        ("nexus/keys", {"expires_in": "soon"}),
        ("nexus/keys", {"expires_in": 1e300}),
        ("nexus/keys", {"agent_id": ""}),
        ("nexus/keys", {"permissions": [{}]}),
        ("nexus/keys", {"permissions": "write"}),
    ],
)
def test_unusable_keys_are_400_on_the_control_plane(control, path, fields):
    """Arguments that no key can have are answered with a reason, not with a server error."""
    answer = control("POST", path, json=fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
