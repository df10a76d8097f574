"""Who can do what at NeuroAI: bearer keys, roles, permissions, restrictions."""

from __future__ import annotations

import pytest

UNAUTHORIZED = {"error": {"code": "unauthorized", "message": "Invalid or missing API key"}}
DENIED = {"error": {"code": "referrer_denied", "message": "API key is not allowed from this referrer"}}
ALLOWED = {
    "Viewer": {"agents": 200, "new agent": 403, "keys": 403, "new key": 403, "audit": 403},
    "Developer": {"agents": 200, "new agent": 201, "keys": 403, "new key": 403, "audit": 403},
    "Administrator": {"agents": 200, "new agent": 201, "keys": 200, "new key": 201, "audit": 200},
    "API Manager": {"agents": 403, "new agent": 403, "keys": 200, "new key": 201, "audit": 200},
}


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "{key}"}, {"Authorization": "Basic {key}"}, {"X-API-Key": "{key}"}],
)
def test_only_a_bearer_key_is_accepted(sandbox, neuroai, admin, headers):
    """A missing, unknown or misplaced key is 401, also if it is in the query."""
    filled = {name: value.format(key=admin) for name, value in headers.items()}
    answer = neuroai(None, "GET", "/auth/verify", headers=filled, params={"api_key": admin})
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
    assert neuroai("nai_unknown", "GET", "/auth/verify").json() == UNAUTHORIZED
    assert sandbox.journal()[0].path == "/neuroai/v1/auth/verify?api_key=***"


@pytest.mark.parametrize("role", ALLOWED)
def test_each_role_can_do_what_the_table_says(sandbox, neuroai, role):
    """Viewers read, Developers make agents, and only Administrators and API Managers manage keys."""
    key = sandbox.new_neuroai_key(role=role)
    answers = {
        "agents": neuroai(key, "GET", "/agents"),
        "new agent": neuroai(key, "POST", "/agents", json={"name": "a"}),
        "keys": neuroai(key, "GET", "/api-keys"),
        "new key": neuroai(key, "POST", "/api-keys", json={"name": "k", "type": "team", "role": "Viewer"}),
        "audit": neuroai(key, "GET", "/audit-logs"),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == ALLOWED[role]
    for name, answer in answers.items():
        if ALLOWED[role][name] == 403:
            assert answer.json()["error"]["code"] == "forbidden"


def test_custom_permissions_replace_a_role(sandbox, neuroai):
    """A key with one permission can do that one thing; the error names what is missing."""
    key = sandbox.new_neuroai_key(role=None, permissions=["audit_logs:read"])
    assert neuroai(key, "GET", "/audit-logs").status_code == 200
    assert neuroai(key, "GET", "/api-keys").json() == {
        "error": {"code": "forbidden", "message": "API key lacks the permission api_keys:read"}
    }


@pytest.mark.parametrize(
    ("referrers", "headers", "status"),
    [
        ([], {}, 200),
        (["example.com"], {}, 403),
        (["example.com"], {"Referer": "https://example.com/page?x=1"}, 200),
        (["example.com"], {"Origin": "https://EXAMPLE.com"}, 200),
        (["https://example.com/*"], {"Referer": "https://example.com:8443/"}, 200),
        (["example.com"], {"Referer": "https://app.example.com/"}, 403),
        (["example.com"], {"Referer": "https://example.com.evil.test/"}, 403),
        (["example.com"], {"Referer": "https://evil.test/?example.com"}, 403),
        (["example.com"], {"Referer": "https://example.com@evil.test/"}, 403),
        (["*.example.com"], {"Referer": "https://app.example.com/"}, 200),
        (["*.example.com"], {"Referer": "https://badexample.com/"}, 403),
        (["*.example.com"], {"Referer": "http://[broken"}, 403),
        (["127.0.0.1"], {}, 200),
        (["127.0.0.0/8"], {}, 200),
        (["203.0.113.7"], {}, 403),
        (["2001:db8::/32"], {"Referer": "https://example.com/"}, 403),
        (["203.0.113.7", "example.com"], {"Referer": "https://example.com/"}, 200),
    ],
)
def test_a_key_is_valid_from_its_referrers_only(sandbox, verify, referrers, headers, status):
    """Domains, wildcards, addresses and networks are enforced; anything else is 403 referrer_denied."""
    answer = verify(sandbox.new_neuroai_key(referrers=referrers), **headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json() == DENIED


def test_a_rate_limit_sends_when_to_retry(sandbox, verify, clock):
    """The request above the limit is 429 with Retry-After; after that many seconds it passes."""
    key = sandbox.new_neuroai_key(rate_limit={"requests": 2, "per_seconds": 60})
    free = sandbox.new_neuroai_key()
    statuses = [verify(key).status_code for _ in range(2)]
    clock.now += 15.5
    answer = verify(key)
    assert statuses == [200, 200]
    assert (answer.status_code, answer.json()) == (
        429,
        {"error": {"code": "rate_limited", "message": "Rate limit exceeded"}},
    )
    assert answer.headers["retry-after"] == "45"
    assert verify(free).status_code == 200
    clock.now += 44.5
    assert verify(key).status_code == 200


def test_every_request_is_in_the_audit_log(sandbox, http, verify):
    """Who, when, what, from where, and how it ended; bodies, queries and keys are not in it."""
    admin = sandbox.new_neuroai_key()
    narrow = sandbox.new_neuroai_key(role="Viewer")
    logs, auth = f"{sandbox.neuroai_url}/v1/audit-logs", {"Authorization": f"Bearer {admin}"}
    own = verify(admin, **{"X-Request-ID": "r1"}).json()["key"]["id"]
    headers = {"Authorization": f"Bearer {narrow}", "Referer": f"https://example.com/?k={narrow}"}
    http.get(f"{sandbox.neuroai_url}/v1/api-keys", params={"q": admin}, headers=headers)
    verify("nai_unknown", **{"X-Request-ID": narrow})
    http.get(f"{sandbox.neuroai_url}/v1/api-keys/{narrow}", headers=auth)

    first = http.get(logs, headers=auth, params={"limit": 1})
    assert first.status_code == 200
    assert first.json()["data"] == [
        {
            "id": "log_1",
            "created_at": "2025-10-31T12:00:00Z",
            "key_id": own,
            "method": "GET",
            "path": "/v1/auth/verify",
            "status": 200,
            "code": None,
            "ip": "127.0.0.1",
            "referrer": None,
            "request_id": "r1",
        }
    ]
    rest = http.get(logs, headers=auth, params={"cursor": first.json()["next_cursor"]})
    entries = [
        (row["path"], row["status"], row["code"], row["referrer"], row["request_id"][:4])
        for row in rest.json()["data"]
    ]
    assert entries == [
        ("/v1/api-keys", 403, "forbidden", "https://example.com/", "req_"),
        ("/v1/auth/verify", 401, "unauthorized", None, "nai_"),
        ("/v1/api-keys/nai_***", 404, "not_found", None, "req_"),
        ("/v1/audit-logs", 200, None, None, "req_"),
    ]
    assert rest.json()["data"][1]["key_id"] is None
    assert admin[4:] not in rest.text
    assert narrow[4:] not in rest.text
