"""The control plane: what Python can do, another process can do over HTTP, and a web page cannot."""

from __future__ import annotations

import pytest


@pytest.fixture
def control(sandbox, http):
    """Calls a control route with the token."""

    def call(method, path, **options):
        headers = {"Authorization": f"Bearer {sandbox.control_token}"}
        return http.request(method, f"{sandbox.api_url}/_sandbox/{path}", headers=headers, **options)

    return call


def test_keys_are_made_listed_and_revoked(sandbox, http, control):
    """A key made over HTTP validates, is listed masked, and is dead once revoked by its fingerprint."""
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
    """A fault set over HTTP strikes; cleared ones do not."""
    fault = {"endpoint": "health", "raw_body": "hello", "status": 418, "times": None}
    assert control("POST", "faults", json=fault).status_code == 201
    answer = http.get(f"{sandbox.api_url}/api/health")
    assert (answer.status_code, answer.text) == (418, "hello")
    assert control("DELETE", "faults").status_code == 204
    assert http.get(f"{sandbox.api_url}/api/health").status_code == 200


def test_the_journal_is_read_and_cleared_and_holds_no_control_calls(sandbox, http, control):
    """The journal over HTTP is the journal in Python; the control plane leaves no trace in it."""
    http.get(f"{sandbox.api_url}/api/health")
    (exchange,) = control("GET", "journal").json()["exchanges"]
    assert (exchange["endpoint"], exchange["status"]) == ("health", 200)
    assert control("DELETE", "journal").status_code == 204
    assert sandbox.journal() == []


def test_releases_are_published(sandbox, control):
    """A release published over HTTP is answered as GitHub would show it."""
    release = control("POST", "releases", json={"version": "0.3.0", "sums": False})
    assert release.status_code == 201
    assert release.json()["tag_name"] == "v0.3.0"
    assert len(release.json()["assets"]) == 1


def test_switches_are_thrown(sandbox, http, control):
    """Health goes down when its switch is thrown, and unknown switches are refused."""
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
def test_unusable_arguments_are_400(control, path, content):
    """Arguments that cannot be used are answered with a reason, not with a server error."""
    answer = control("POST", path, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_other_methods_are_405(control):
    """A control route tells which methods it takes."""
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
def test_strangers_are_turned_away(sandbox, http, headers, status):
    """No token is 401; a foreign host name, as DNS rebinding brings it, is 421 even with the token."""
    filled = {name: value.format(token=sandbox.control_token) for name, value in headers.items()}
    answer = http.get(f"{sandbox.api_url}/_sandbox/keys", headers=filled)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "odd",
    [
        {"delay": "x"},
        {"after": "x"},
        {"after": True},
        {"headers": 5},
        {"headers": {"A": 5}},
        {"truncate": "5"},
        {"redirect": 5},
        {"status": 99},
        {"drip": 0},
        {"date_offset": 1e300},
    ],
)
def test_a_fault_that_cannot_be_is_refused_when_it_is_set(sandbox, http, control, odd):
    """And not when it strikes."""
    assert control("POST", "faults", json={"endpoint": "health", **odd}).status_code == 400
    assert http.get(f"{sandbox.api_url}/api/health").status_code == 200


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
def test_what_no_sandbox_can_be_is_refused(control, path, fields):
    """With words, and without a change."""
    assert control("POST", path, json=fields).status_code == 400
    assert control("POST", "switches", json={"token_lifetime": None}).status_code == 200


def test_a_bare_404_is_about_a_key_only_where_one_is_revoked(sandbox, http):
    """A model that is not there is no key that is not there."""
    for endpoint, path, code in (
        ("model_file", "v1/models/x", "NOT_FOUND"),
        ("revoke", "v1/auth/revoke", "KEY_NOT_FOUND"),
    ):
        sandbox.fault(endpoint, status=404, times=None)
        method = "POST" if endpoint == "revoke" else "GET"
        answer = http.request(method, f"{sandbox.api_url}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)
