"""Faults strike where, how and as often as they were told to, down to the socket."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from nimbus_sdk.errors import ConfigurationError

REPO = "nimbusbci/NimbusSDKCore"
HEALTH = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def raw_answer(sandbox, request=HEALTH):
    """Everything that comes back on a bare socket, and the error it ends with, if any."""
    place = urlsplit(sandbox.api_url)
    received = b""
    with socket.create_connection((place.hostname, place.port), timeout=5) as line:
        line.sendall(request)
        try:
            while data := line.recv(65536):
                received += data
        except OSError as fault:
            return received, fault
    return received, None


def health(sandbox, http):
    """One answer of the health endpoint."""
    return http.get(f"{sandbox.api_url}/api/health")


def test_a_status_strikes_as_often_as_told(sandbox, http):
    """After two failures of two the endpoint is well again, and others never failed."""
    sandbox.fault("health", status=503, times=2)
    statuses = [health(sandbox, http).status_code for _ in range(3)]
    other = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": sandbox.new_key()})
    assert statuses == [503, 503, 200]
    assert other.status_code == 200


def test_a_fault_waits_for_its_turn(sandbox, http):
    """Requests named in `after` pass first, and faults strike in the order in which they were set."""
    sandbox.fault("health", status=500, after=1)
    sandbox.fault("health", status=502)
    assert [health(sandbox, http).status_code for _ in range(4)] == [200, 500, 502, 200]


def test_a_fault_for_ever_ends_when_cleared(sandbox, http):
    """times=None strikes until the faults are cleared."""
    sandbox.fault("health", status=500, times=None)
    assert {health(sandbox, http).status_code for _ in range(5)} == {500}
    sandbox.clear_faults()
    assert health(sandbox, http).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"status": 500}, 500, {"error": "Internal server error", "code": "SERVER_ERROR"}),
        ({"status": 502}, 502, {"error": "Internal server error", "code": "SERVER_ERROR"}),
        ({"status": 429}, 429, {"error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED"}),
        ({"code": "KEY_EXPIRED"}, 401, {"error": "API key has expired", "code": "KEY_EXPIRED"}),
        ({"status": 418, "code": "TEAPOT"}, 418, {"error": "I'm a Teapot", "code": "TEAPOT"}),
        ({"body": {"valid": "maybe"}}, 200, {"valid": "maybe"}),
        ({"status": 599, "body": []}, 599, []),
    ],
)
def test_errors_have_the_documented_body(sandbox, http, fault, status, body):
    """A status or code alone brings the API's error body; a body of one's own is sent as it is."""
    sandbox.fault("validate", **fault)
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": sandbox.new_key()})
    assert (answer.status_code, answer.json()) == (status, body)


def test_github_errors_are_githubs(sandbox, http):
    """A status on a GitHub route comes in GitHub's own words."""
    sandbox.fault("release", status=403)
    answer = http.get(f"{sandbox.github_url}/repos/{REPO}/releases/latest")
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden", "status": "403"})


def test_headers_content_type_and_date_can_be_changed(sandbox, http):
    """Headers are added or replaced on the endpoint's own answer, and its Date can be an hour off."""
    sandbox.fault(
        "health",
        headers={"Retry-After": "7", "X-Request-Id": "odd"},
        content_type="text/css",
        date_offset=-3600,
    )
    answer = health(sandbox, http)
    assert answer.json()["status"] == "healthy"
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-request-id"] == "odd"
    assert answer.headers["content-type"] == "text/css"
    assert answer.headers["date"] == "Fri, 31 Oct 2025 11:00:00 GMT"


def test_bodies_can_be_anything(sandbox, http):
    """A captive portal's HTML, text and raw bytes stand in for JSON; a redirect leads elsewhere."""
    sandbox.fault("health", html=True)
    sandbox.fault("health", body="<gone>", status=404)
    sandbox.fault("health", raw_body=b"\xff\x00{")
    sandbox.fault("health", redirect="http://127.0.0.1:9/elsewhere")
    portal, text, raw, away = (health(sandbox, http) for _ in range(4))
    assert (portal.status_code, portal.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Sign in" in portal.text
    assert (text.status_code, text.text) == (404, "<gone>")
    assert raw.content == b"\xff\x00{"
    assert (away.status_code, away.headers["location"]) == (302, "http://127.0.0.1:9/elsewhere")


def test_a_delay_holds_the_answer_back(sandbox, http):
    """The answer comes after the delay, not before."""
    sandbox.fault("health", delay=0.15)
    began = time.monotonic()
    assert health(sandbox, http).status_code == 200
    assert time.monotonic() - began >= 0.15


def test_a_reset_before_the_head_is_a_real_rst(sandbox):
    """The peer meets ECONNRESET with not one byte read."""
    sandbox.fault("health", reset="before_head")
    received, fault = raw_answer(sandbox)
    assert received == b""
    assert isinstance(fault, ConnectionResetError)
    assert sandbox.journal()[0].status is None


def test_a_reset_after_the_head_lets_the_head_through(sandbox):
    """The head arrives whole, no byte of body does, and then the connection is reset."""
    sandbox.fault("health", reset="after_head")
    received, fault = raw_answer(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 96" in head
    assert body == b""
    assert isinstance(fault, ConnectionResetError)


def test_a_truncated_body_ends_short_of_its_length(sandbox, http):
    """Content-Length tells all, ten bytes come, the connection closes in good order."""
    sandbox.fault("health", truncate=10, times=2)
    received, fault = raw_answer(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Length: 96" in head
    assert body == b'{"status":'
    assert fault is None
    with pytest.raises(httpx.RemoteProtocolError):
        health(sandbox, http)
    assert sandbox.journal()[0].bytes_sent == 10


def test_a_wrong_length_tells_half(sandbox):
    """Content-Length is half of what is sent, all of which is sent."""
    sandbox.fault("health", wrong_length=True)
    head, _, body = raw_answer(sandbox)[0].partition(b"\r\n\r\n")
    assert b"Content-Length: 48" in head
    assert len(body) == 96


def test_a_drip_keeps_to_its_rate(sandbox, http):
    """96 bytes at 480 a second take a fifth of a second, and arrive whole."""
    sandbox.fault("health", drip=480)
    began = time.monotonic()
    answer = health(sandbox, http)
    assert answer.json()["status"] == "healthy"
    assert 0.15 <= time.monotonic() - began < 2


def test_a_drip_ends_when_the_peer_leaves(sandbox):
    """A peer that hangs up is not dripped at any longer."""
    sandbox.fault("health", drip=10)
    place = urlsplit(sandbox.api_url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as line:
        line.sendall(HEALTH)
        line.recv(1)
    time.sleep(0.3)
    sent = sandbox.journal()[0].bytes_sent
    time.sleep(0.3)
    assert sandbox.journal()[0].bytes_sent == sent < 96


@pytest.fixture
def asset(sandbox, http):
    """The wheel's entry in the release, the release's path and the headers that fetch it."""
    token = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()["github_token"]
    auth = {"Authorization": f"Bearer {token}", "Accept": "application/octet-stream"}
    release = f"{sandbox.github_url}/repos/{REPO}/releases/latest"
    return http.get(release, headers=auth).json()["assets"][0], release, auth


def test_a_corrupt_digest_in_json_fits_no_file(sandbox, http, asset):
    """The digest in the release differs from the true one, and nothing else does."""
    wheel, release, auth = asset
    sandbox.fault("release", corrupt_digest=True)
    told = http.get(release, headers=auth).json()["assets"][0]
    assert told.pop("digest") != wheel["digest"]
    assert told.items() < wheel.items()


def test_a_corrupt_file_has_its_length_and_another_digest(sandbox, http, asset):
    """One byte of the file differs from what was published; the digest tells."""
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


def test_faults_are_shared_out_exactly_among_threads(sandbox):
    """Five failures among twenty requests from four threads are five failures."""
    sandbox.fault("health", status=500, times=5)
    statuses = []

    def ask():
        with httpx.Client(trust_env=False) as client:
            statuses.extend(client.get(f"{sandbox.api_url}/api/health").status_code for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 15 + [500] * 5


@pytest.mark.parametrize("slow", [{"delay": 60}, {"drip": 0.02}])
def test_stopping_does_not_wait_for_slow_answers(core_source, slow):
    """A sandbox with an answer held back for a minute stops at once, and the peer notices."""
    from nimbus_sdk.sandbox import Sandbox

    sandbox = Sandbox(core_source=core_source)
    sandbox.start()
    sandbox.fault("health", **slow)
    place = urlsplit(sandbox.api_url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as line:
        line.sendall(HEALTH)
        while not sandbox.journal():
            time.sleep(0.005)
        began = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - began < 1
        assert b"healthy" not in line.recv(65536)


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "lunch", "status": 500},
        {"endpoint": "health", "reset": "never"},
        {"endpoint": "health", "drip": 0},
        {"endpoint": "health", "times": 0},
    ],
)
def test_faults_that_make_no_sense_are_refused(sandbox, wrong):
    """A fault for no endpoint, or of no kind, is a configuration error."""
    with pytest.raises(ConfigurationError):
        sandbox.fault(**wrong)


def test_statuses_without_a_name_can_be_sent_whole_and_cut(sandbox, http):
    """A status that HTTP has no phrase for goes out all the same."""
    sandbox.fault("health", status=599, code="ODD")
    sandbox.fault("health", status=599, truncate=2)
    whole = health(sandbox, http)
    assert (whole.status_code, whole.json()) == (599, {"error": "Unknown", "code": "ODD"})
    received, _ = raw_answer(sandbox)
    assert received.startswith(b"HTTP/1.1 599 \r\n")
    assert received.endswith(b'\r\n\r\n{"')


def test_peers_that_leave_early_harm_nobody(sandbox, http, asset):
    """A peer gone in the middle of its upload, or of its download, leaves the sandbox well."""
    auth = asset[2]
    place = urlsplit(sandbox.api_url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as line:
        line.sendall(b"POST /v1/auth/validate HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
    sandbox.publish(padding=2**24)
    latest = http.get(f"{sandbox.github_url}/repos/{REPO}/releases/latest", headers=auth).json()
    link = http.get(latest["assets"][0]["url"], headers=auth).headers["location"]
    with http.stream("GET", link) as stream:
        next(stream.iter_raw())
    assert health(sandbox, http).status_code == 200
    journal = {exchange.endpoint: exchange for exchange in sandbox.journal()}
    assert journal["validate"].status is None
    assert journal["storage"].bytes_sent < 2**24
