"""Every endpoint logs its requests, sends the common headers, and fails on demand."""

from __future__ import annotations

import httpx
import pytest

from tests.support.sandbox_requests import (
    SERVICE_REQUESTS,
    new_service_keys,
    request_service,
)


def test_request_ids_are_echoed_or_made(sandbox, http):
    """A request id of the caller is returned, an invalid one is replaced; each response has a date."""
    url = f"{sandbox.api_url}/api/health"
    assert http.get(url, headers={"X-Request-ID": "mine-7"}).headers["x-request-id"] == "mine-7"
    assert http.get(url, headers={"X-Request-ID": "two words"}).headers["x-request-id"].startswith("req_")
    made = [http.get(url).headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    assert http.get(url).headers["date"] == "Fri, 31 Oct 2025 12:00:00 GMT"


def test_a_body_beyond_a_mebibyte_is_refused(sandbox, http):
    """A body that no client of this API sends is refused with 413, not read into memory."""
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": "x" * 2**21})
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_responses_are_not_shared_between_clients(sandbox):
    """Two clients at once get their own responses on their own connections."""
    keys = [sandbox.new_key(user_id=f"usr_{number}") for number in range(5)]
    with httpx.Client(trust_env=False) as one, httpx.Client(trust_env=False) as other:
        for number, key in enumerate(keys):
            client = one if number % 2 else other
            body = client.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
            assert body["user_id"] == f"usr_{number}"


@pytest.mark.parametrize("endpoint", SERVICE_REQUESTS)
def test_every_endpoint_is_logged_and_fails_by_its_name(sandbox, http, endpoint):
    """The journal and the faults know each endpoint by one name."""
    keys = new_service_keys(sandbox)
    sandbox.fault(endpoint, status=503, headers={"Retry-After": "7"})
    broken, after = [request_service(sandbox, http, endpoint, keys) for _ in range(2)]
    assert (broken.status_code, broken.headers["retry-after"]) == (503, "7")
    assert after.status_code != 503
    assert [(exchange.endpoint, exchange.status) for exchange in sandbox.journal()] == [
        (endpoint, 503),
        (endpoint, after.status_code),
    ]


def test_a_failing_endpoint_is_500_and_logged_without_secrets(sandbox, http, caplog, monkeypatch):
    """An exception in a handler is answered with SERVER_ERROR; its traceback has no key."""
    key = sandbox.new_key()

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("nimbus_sdk.sandbox.nimbus_api.keys.LicenseKeys.require_active", fail)
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key})
    assert answer.status_code == 500
    assert answer.json() == {"error": "Internal server error", "code": "SERVER_ERROR"}
    assert "disk on fire" in caplog.text
    assert key not in caplog.text


def test_an_exception_is_the_500_of_the_service(sandbox, http, caplog, monkeypatch):
    """An exception in a handler is answered in the service's form; its traceback has no key."""
    keys = new_service_keys(sandbox)

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("nimbus_sdk.sandbox.nexus.Nexus._require_claims", fail)
    answer = request_service(sandbox, http, "nexus_thread", keys)
    assert answer.json() == {
        "statusCode": 500,
        "message": "Internal server error",
        "error": "Internal Server Error",
    }
    assert "disk on fire" in caplog.text
    assert keys["nexus"] not in caplog.text


@pytest.mark.parametrize("reset", ["after_work", "after_head"])
def test_a_response_can_be_lost_after_its_work_was_done(sandbox, http, reset):
    """The connection breaks, and yet the key was created, and a rotated secret is invalid."""
    admin = sandbox.new_neuroai_key()
    auth, keys = {"Authorization": f"Bearer {admin}"}, f"{sandbox.neuroai_url}/v1/api-keys"
    sandbox.fault("neuroai_keys", reset=reset)
    with pytest.raises(httpx.NetworkError):
        http.post(keys, headers=auth, json={"name": "lost", "type": "team"})
    rows = http.get(keys, headers=auth).json()["data"]
    assert [row["name"] for row in rows] == ["sandbox", "lost"]
    assert [exchange.status for exchange in sandbox.journal()] == [
        None if reset == "after_work" else 201,
        200,
    ]

    sandbox.fault("neuroai_rotate", reset=reset)
    with pytest.raises(httpx.NetworkError):
        http.post(f"{keys}/{rows[0]['id']}/rotate", headers=auth)
    assert http.get(keys, headers=auth).status_code == 401


def test_a_cut_before_the_head_leaves_no_work_done(sandbox, http):
    """before_head breaks the connection while nothing has happened yet."""
    auth = {"Authorization": f"Bearer {sandbox.new_neuroai_key()}"}
    keys = f"{sandbox.neuroai_url}/v1/api-keys"
    sandbox.fault("neuroai_keys", reset="before_head")
    with pytest.raises(httpx.NetworkError):
        http.post(keys, headers=auth, json={"name": "lost", "type": "team"})
    assert len(http.get(keys, headers=auth).json()["data"]) == 1
