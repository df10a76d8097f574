"""Connections break on demand, down to the socket."""

from __future__ import annotations

from tests.support.sandbox_requests import (
    get_health,
    raw_response,
)


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
