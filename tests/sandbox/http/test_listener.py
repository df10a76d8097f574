"""The listener starts and stops its server; connections break on demand, down to the socket."""

from __future__ import annotations

import socket

import httpx
import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.sandbox.http.listener import SCOPE_KEY, Listener, base_url, bind_port
from tests.support.sandbox_requests import (
    get_health,
    raw_response,
)


def test_a_taken_port_is_named(sandbox):
    """A port in use is a configuration error that names it."""
    port = int(sandbox.api_url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=str(port)):
        Sandbox(port=port).start()


def test_a_fixed_port_can_be_taken_again_at_once(http):
    """A sandbox restarts on its port while old connections linger."""
    with Sandbox() as first:
        port = int(first.api_url.rpartition(":")[2])
        http.get(f"{first.api_url}/api/health")
    with Sandbox(port=port) as second:
        assert second.api_url == f"http://127.0.0.1:{port}"
        assert http.get(f"{second.api_url}/api/health").status_code == 200


def test_a_server_that_cannot_start_says_why():
    """The exception that ends the server's thread is raised by start()."""
    listening = bind_port(0)
    listening.close()
    with pytest.raises(OSError, match=r"[Bb]ad file descriptor|not a socket|invalid"):
        Listener({listening: None}).start()  # type: ignore[dict-item]


def test_small_responses_are_sent_at_once():
    """Connections have TCP_NODELAY: Nagle's algorithm would delay every response by 40 ms."""

    async def application(scope, receive, send):
        peer = scope[SCOPE_KEY].transport.get_extra_info("socket")
        status = 200 if peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) else 500
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listening = bind_port(0)
    listener = Listener({listening: application})
    listener.start()
    try:
        assert httpx.get(base_url(listening), trust_env=False).status_code == 200
    finally:
        listener.stop()


def test_a_reset_before_the_head_is_a_real_rst(sandbox):
    """The peer gets ECONNRESET with not one byte read."""
    sandbox.fault("health", reset="before_head")
    received, fault = raw_response(sandbox)
    assert received == b""
    assert isinstance(fault, ConnectionResetError)
    assert sandbox.journal()[0].status is None


def test_a_reset_after_the_head_lets_the_head_through(sandbox):
    """The head arrives whole, no byte of body does, and then the connection is reset."""
    sandbox.fault("health", reset="after_head")
    received, fault = raw_response(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 96" in head
    assert body == b""
    assert isinstance(fault, ConnectionResetError)


def test_statuses_without_a_reason_phrase_can_be_sent_whole_and_cut(sandbox, http):
    """A status that HTTP has no phrase for goes out all the same."""
    sandbox.fault("health", status=599, code="ODD")
    sandbox.fault("health", status=599, truncate=2)
    whole = get_health(sandbox, http)
    assert (whole.status_code, whole.json()) == (599, {"error": "Unknown", "code": "ODD"})
    received, _ = raw_response(sandbox)
    assert received.startswith(b"HTTP/1.1 599 \r\n")
    assert received.endswith(b'\r\n\r\n{"')
