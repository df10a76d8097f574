"""The control plane: what Python can do, another process can do over HTTP, and a web page cannot."""

from __future__ import annotations

import jwt
import pytest


def test_keys_are_created_listed_and_revoked(sandbox, http, control):
    """A key created over HTTP is valid, is listed masked, and is rejected once revoked by its fingerprint."""
    made = control("POST", "keys", json={"tier": "commercial", "expires_at": "2026-01-01T00:00:00Z"})
    assert made.status_code == 201
    key = made.json()["key"]
    body = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    assert (body["license_type"], body["expires_at"]) == ("commercial", "2026-01-01T00:00:00Z")

    (row,) = control("GET", "keys").json()["keys"]
    assert row["key"] == f"{key[:14]}…{key[-4:]}"
    revoked = control("POST", "keys/revoke", json={"key": row["fingerprint"], "reason": "done"})
    assert (revoked.status_code, revoked.json()) == (200, {"revoked": True})
    assert http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).status_code == 401
    assert control("POST", "keys/revoke", json={"key": key}).status_code == 404


def test_faults_are_set_and_cleared(sandbox, http, control):
    """A fault set over HTTP takes effect; cleared ones do not."""
    fault = {"endpoint": "health", "raw_body": "hello", "status": 418, "times": None}
    assert control("POST", "faults", json=fault).status_code == 201
    answer = http.get(f"{sandbox.api_url}/api/health")
    assert (answer.status_code, answer.text) == (418, "hello")
    assert control("DELETE", "faults").status_code == 204
    assert http.get(f"{sandbox.api_url}/api/health").status_code == 200


def test_the_log_is_read_and_cleared_and_has_no_control_requests(sandbox, http, control):
    """The log over HTTP is the log in Python; requests to the control plane are not in it."""
    http.get(f"{sandbox.api_url}/api/health")
    (exchange,) = control("GET", "journal").json()["exchanges"]
    assert (exchange["endpoint"], exchange["status"]) == ("health", 200)
    assert control("DELETE", "journal").status_code == 204
    assert sandbox.journal() == []


def test_releases_are_published(sandbox, control):
    """A release published over HTTP is returned as GitHub would show it."""
    release = control("POST", "releases", json={"version": "0.3.0", "sums": False})
    assert release.status_code == 201
    assert release.json()["tag_name"] == "v0.3.0"
    assert len(release.json()["assets"]) == 1


def test_switches_are_set(sandbox, http, control):
    """Health fails when its switch is set, and unknown switches are refused."""
    assert control("POST", "switches", json={"healthy": False}).json()["healthy"] is False
    assert http.get(f"{sandbox.api_url}/api/health").status_code == 503
    assert control("POST", "switches", json={"lights": False}).status_code == 400


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("keys", b'{"tier": "gold"}'),
        ("keys", b'{"colour": "red"}'),
        ("keys", b'{"used": "many"}'),
        ("keys", b'{"email": 5, "used": 1.5}'),
        ("keys", b'{"expires_at": "tomorrow"}'),
        ("keys", b"[]"),
        ("keys", b"{"),
        ("faults", b'{"endpoint": "lunch"}'),
        ("faults", b'{"endpoint": "health", "times": "often"}'),
        ("faults", b"[]"),
        ("faults", b"{"),
        ("releases", b'{"version": "../../etc"}'),
        ("releases", b'{"colour": "red"}'),
        ("releases", b'{"tags": ["none"]}'),
        ("releases", b'{"padding": "large"}'),
    ],
)
def test_invalid_arguments_are_400(control, path, content):
    """Invalid arguments are answered with a reason, not with a server error."""
    answer = control("POST", path, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_other_methods_are_405(control):
    """A control route lists the allowed methods."""
    answer = control("PUT", "keys")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer {token}", "Host": "evil.example"}, 421),
        ({"Authorization": "Bearer {token}", "Host": "evil.example:80"}, 421),
        ({"Authorization": "Bearer {token}", "Host": "127.0.0.1.evil.example"}, 421),
        ({"Authorization": "Bearer {token}", "Host": "localhost:1"}, 200),
        ({"Authorization": "Bearer {token}", "Host": "[::1]:1"}, 200),
        ({"Authorization": "Bearer {token}", "Host": "[::1]"}, 200),
        ({"Authorization": "Bearer {token}", "Host": "LOCALHOST"}, 200),
    ],
)
def test_unauthorized_requests_are_refused(sandbox, http, headers, status):
    """No token is 401; a foreign host name, as DNS rebinding brings it, is 421 even with the token."""
    filled = {name: value.format(token=sandbox.control_token) for name, value in headers.items()}
    answer = http.get(f"{sandbox.api_url}/_sandbox/keys", headers=filled)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("keys", {"used": 10**30}),
        ("keys", {"monthly_limit": 10**30}),
        ("switches", {"link_lifetime": "x"}),
        ("switches", {"link_lifetime": None}),
        ("switches", {"healthy": "no"}),
    ],
)
def test_invalid_values_are_refused_without_a_change(control, path, fields):
    """They are answered with a message."""
    assert control("POST", path, json=fields).status_code == 400
    assert control("POST", "switches", json={"token_lifetime": None}).status_code == 200


def test_nimbus_os_keys_over_the_control_plane(sandbox, http, control):
    """A key is created with its environment, listed masked, and revoked; the second time it is 404."""
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
    (row,) = control("GET", "nimbus-os/keys").json()["keys"]
    assert len(row.pop("fingerprint")) == 12
    assert row == {
        "key": f"nos_production_***{key[-4:]}",
        "environment": "production",
        "permissions": ["orders:read"],
        "created_at": "2025-10-31T12:00:00Z",
        "revoked_at": "2025-10-31T12:00:00Z",
    }


def test_neuroai_keys_over_the_control_plane(sandbox, http, control):
    """A key is created with expiry and owner, listed without its secret, revoked by its id or account."""
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
    """A key is created and listed by its claims; its integration is disabled and enabled; it is revoked."""
    fields = {"integration_id": "int_abc123", "permissions": ["write"], "expires_in": 60}
    key = control("POST", "nexus/keys", json=fields).json()["key"]
    (row,) = control("GET", "nexus/keys").json()["keys"]
    claims = jwt.decode(key, options={"verify_signature": False})
    assert len(row.pop("fingerprint")) == 12
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
def test_invalid_key_options_are_400(control, path, fields):
    """Options that no key can have are answered with a reason, not with a server error."""
    answer = control("POST", path, json=fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]


def test_the_page_reads_what_it_shows(sandbox, http, control, key):
    """Usage by day, the faults to come, the switches and the variables for a shell are readable."""
    http.post(f"{sandbox.api_url}/v1/analytics/log", json={"api_key": key, "event_type": "inference"})
    http.post(f"{sandbox.api_url}/v1/analytics/log", json={"api_key": key, "event_type": "error"})
    (day,) = control("GET", "usage").json()["days"]
    assert (day["inference"], day["model_load"], day["error"]) == (1, 0, 1)

    control("POST", "faults", json={"endpoint": "health", "status": 502, "times": 3})
    http.get(f"{sandbox.api_url}/api/health")
    assert control("GET", "faults").json() == {"faults": [{"endpoint": "health", "status": 502, "times": 2}]}

    assert control("GET", "switches").json()["healthy"] is True
    facts = control("GET", "environment").json()
    assert facts["environment"] == sandbox.environment()
    assert "health" in facts["endpoints"]


def test_keys_of_the_other_systems_are_revoked_by_what_their_list_shows(control):
    """A key that is only shown masked can be revoked: each list has an id for it."""
    for path in ("nimbus-os", "neuroai", "nexus"):
        assert control("POST", f"{path}/keys", json={}).status_code == 201
        (row,) = control("GET", f"{path}/keys").json()["keys"]
        revoked = control("POST", f"{path}/keys/revoke", json={"key": row.get("id") or row["fingerprint"]})
        assert revoked.status_code == 200
