"""The audit log has every request."""

from __future__ import annotations


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
