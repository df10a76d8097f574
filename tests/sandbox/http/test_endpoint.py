"""Every endpoint logs its requests, sends the common headers, and fails on demand."""

from __future__ import annotations

import hashlib
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.sandbox_requests import (
    HEALTH_REQUEST,
    REPOSITORY,
    SERVICE_REQUESTS,
    get_health,
    new_service_keys,
    raw_response,
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


@pytest.fixture
def waits(monkeypatch):
    """The seconds that responses wait, which pass at once."""
    seconds = []

    async def wait(duration, receive):
        seconds.append(duration)
        return False

    monkeypatch.setattr("nimbus_sdk.sandbox.http.endpoint._disconnects_within", wait)
    return seconds


def test_a_delay_comes_before_the_response(sandbox, http, waits):
    """The endpoint waits for the delay, then responds."""
    sandbox.fault("health", delay=0.15)
    assert get_health(sandbox, http).status_code == 200
    assert waits == [0.15]


def test_short_delays_and_drips_end(sandbox, http):
    """Responses that wait in real time arrive whole."""
    sandbox.fault("health", delay=0.01)
    sandbox.fault("health", drip=9600)
    assert [get_health(sandbox, http).json()["status"] for _ in range(2)] == ["healthy"] * 2


def test_a_truncated_body_ends_short_of_its_length(sandbox, http):
    """Content-Length is that of the whole, ten bytes come, the connection closes in good order."""
    sandbox.fault("health", truncate=10, times=2)
    received, fault = raw_response(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Length: 96" in head
    assert body == b'{"status":'
    assert fault is None
    with pytest.raises(httpx.RemoteProtocolError):
        get_health(sandbox, http)
    assert sandbox.journal()[0].bytes_sent == 10


def test_a_wrong_length_is_half(sandbox):
    """Content-Length is half of what is sent, all of which is sent."""
    sandbox.fault("health", wrong_length=True)
    head, _, body = raw_response(sandbox)[0].partition(b"\r\n\r\n")
    assert b"Content-Length: 48" in head
    assert len(body) == 96


def test_a_drip_takes_its_time(sandbox, http, waits):
    """96 bytes at 480 a second take a fifth of a second, and arrive whole."""
    sandbox.fault("health", drip=480)
    answer = get_health(sandbox, http)
    assert answer.json()["status"] == "healthy"
    assert waits == [24 / 480] * 4


def test_a_drip_ends_when_the_peer_leaves(sandbox):
    """A peer that disconnects gets no more bytes."""
    sandbox.fault("health", drip=10)
    place = urlsplit(sandbox.api_url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as line:
        line.sendall(HEALTH_REQUEST)
        line.recv(1)
    time.sleep(0.3)
    sent = sandbox.journal()[0].bytes_sent
    time.sleep(0.3)
    assert sandbox.journal()[0].bytes_sent == sent < 96


def test_a_corrupt_digest_in_json_fits_no_file(sandbox, http, asset):
    """The digest in the release differs from the true one, and nothing else does."""
    wheel, release, auth = asset
    sandbox.fault("release", corrupt_digest=True)
    corrupt = http.get(release, headers=auth).json()["assets"][0]
    assert corrupt.pop("digest") != wheel["digest"]
    assert corrupt.items() < wheel.items()


def test_a_corrupt_file_has_its_length_and_another_digest(sandbox, http, asset):
    """One byte of the file differs from what was published."""
    wheel, _, auth = asset
    link = http.get(wheel["url"], headers=auth).headers["location"]
    sandbox.fault("storage", corrupt_digest=True)
    broken, sound = http.get(link).content, http.get(link).content
    assert f"sha256:{hashlib.sha256(sound).hexdigest()}" == wheel["digest"]
    assert len(broken) == len(sound)
    assert sum(one != other for one, other in zip(broken, sound, strict=True)) == 1


def test_a_cut_download_resumes(sandbox, http, asset):
    """What a truncated download lacks comes with a range; both together are the file."""
    wheel, _, auth = asset
    link = http.get(wheel["url"], headers=auth).headers["location"]
    sandbox.fault("storage", truncate=100)
    pieces = []
    with http.stream("GET", link) as stream:
        etag = stream.headers["etag"]
        with pytest.raises(httpx.RemoteProtocolError):
            pieces.extend(stream.iter_raw())
    part = b"".join(pieces)
    assert len(part) == 100
    rest = http.get(link, headers={"Range": "bytes=100-", "If-Range": etag})
    assert rest.status_code == 206
    assert f"sha256:{hashlib.sha256(part + rest.content).hexdigest()}" == wheel["digest"]
    assert [exchange.range for exchange in sandbox.journal()[-2:]] == [None, "bytes=100-"]


def test_peers_that_leave_early_harm_nobody(sandbox, http, asset):
    """A peer that disconnects during its upload, or its download, does not stop the sandbox."""
    auth = asset[2]
    place = urlsplit(sandbox.api_url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as line:
        line.sendall(b"POST /v1/auth/validate HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
    sandbox.publish(padding=2**24)
    latest = http.get(f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest", headers=auth).json()
    link = http.get(latest["assets"][0]["url"], headers=auth).headers["location"]
    with http.stream("GET", link) as stream:
        next(stream.iter_raw())
    assert get_health(sandbox, http).status_code == 200
    journal = {exchange.endpoint: exchange for exchange in sandbox.journal()}
    assert journal["validate"].status is None
    assert journal["storage"].bytes_sent < 2**24
