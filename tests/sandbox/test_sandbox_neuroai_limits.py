"""What restricts a NeuroAI key, and the audit log that tells of every attempt."""

from __future__ import annotations

import pytest

DENIED = {"error": {"code": "referrer_denied", "message": "API key is not allowed from this referrer"}}


@pytest.fixture
def verify(sandbox, http):
    """Verifies a key."""

    def call(key, **headers):
        sent = {"Authorization": f"Bearer {key}", **headers}
        return http.get(f"{sandbox.neuroai_url}/v1/auth/verify", headers=sent)

    return call


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
def test_a_key_is_good_from_its_referrers_alone(sandbox, verify, referrers, headers, status):
    """Domains, wildcards, addresses and networks are held to; anything else is 403 referrer_denied."""
    answer = verify(sandbox.new_neuroai_key(referrers=referrers), **headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json() == DENIED


def test_a_rate_limit_counts_and_tells_when_to_come_back(sandbox, verify, clock):
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


def test_the_audit_log_tells_every_attempt_in_pages(sandbox, http, verify):
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
    told = [
        (row["path"], row["status"], row["code"], row["referrer"], row["request_id"][:4])
        for row in rest.json()["data"]
    ]
    assert told == [
        ("/v1/api-keys", 403, "forbidden", "https://example.com/", "req_"),
        ("/v1/auth/verify", 401, "unauthorized", None, "nai_"),
        ("/v1/api-keys/nai_***", 404, "not_found", None, "req_"),
        ("/v1/audit-logs", 200, None, None, "req_"),
    ]
    assert rest.json()["data"][1]["key_id"] is None
    assert admin[4:] not in rest.text
    assert narrow[4:] not in rest.text
