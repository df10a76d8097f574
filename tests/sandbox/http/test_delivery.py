"""Responses arrive late, slowly, cut short or corrupted on demand."""

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
    get_health,
    raw_response,
)


@pytest.fixture
def waits(monkeypatch):
    """The seconds that responses wait, which pass at once."""
    seconds = []

    async def wait(duration, receive):
        seconds.append(duration)
        return False

    for module in ("delivery", "endpoint"):
        monkeypatch.setattr(f"nimbus_sdk.sandbox.http.{module}.disconnects_within", wait)
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
