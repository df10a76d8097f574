"""Each service against its own document: every header, status and error body that the page shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from nimbus_sdk import __version__, services
from nimbus_sdk.errors import (
    ApiError,
    InvalidKeyError,
    KeyExpiredError,
    PermissionDeniedError,
    RateLimitError,
)
from nimbus_sdk.transport.flow import Response
from tests.services.conftest import KEYS, NEUROAI_KEY, NEXUS_KEY, NIMBUS_OS_KEY, either_kind


class Spy:
    """A transport that records its requests, and returns an empty object."""

    def __init__(self) -> None:
        self.calls = []

    def send(self, call, deadline):
        """Record the request."""
        self.calls.append(call)
        return Response(status=200, headers={}, body=b"{}")

    def close(self):
        """Nothing is open."""


@either_kind
def test_nimbus_os_sends_what_its_page_shows(open_client, replies):
    """``GET /orders`` with the key in ``X-API-Key``, and nowhere else."""
    replies.say("200 OK", {"data": []})
    assert open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)("request", "GET", "/orders") == {
        "data": []
    }
    (request,) = replies.server.requests
    assert request.line == "GET /orders HTTP/1.1"
    assert request.headers["x-api-key"] == NIMBUS_OS_KEY
    assert [name for name, value in request.headers.items() if NIMBUS_OS_KEY in value] == ["x-api-key"]


def test_the_nimbus_os_sandbox_is_where_its_page_says():
    """The base URL of the page's first example."""
    spy = Spy()
    services.NimbusOS(NIMBUS_OS_KEY, transport=spy).request("GET", "/orders")
    assert spy.calls[0].url == "https://api-sandbox.nimbus-os.com/orders"


@pytest.mark.parametrize(
    ("status", "code", "message", "kind_of_error", "exit_code"),
    [
        ("401 Unauthorized", "unauthorized", "Invalid or missing API key", InvalidKeyError, 4),
        ("403 Forbidden", "forbidden", "Insufficient permissions", PermissionDeniedError, 5),
    ],
)
@either_kind
def test_nimbus_os_refusals_are_read_whole(
    open_client, replies, status, code, message, kind_of_error, exit_code
):
    """Class, code, message and the service's own request id."""
    replies.say(status, {"error": {"code": code, "message": message, "requestId": "req_abc123"}})
    with pytest.raises(ApiError) as caught:
        open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)("request", "GET", "/orders")
    error = caught.value
    assert type(error) is kind_of_error
    assert (error.status, error.code, error.request_id) == (int(status[:3]), code, "req_abc123")
    assert message in error.message
    assert error.exit_code == exit_code
    assert "developer.nimbus-os.com" in error.hint
    assert "hello@nimbusbci.com" not in str(error)


@either_kind
def test_neuroai_sends_the_key_as_a_bearer_token(open_client, replies):
    """``Authorization: Bearer``; the form in the query is never used."""
    replies.say("200 OK", {"valid": True})
    open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("verify")
    (request,) = replies.server.requests
    assert request.line == "GET /v1/auth/verify HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {NEUROAI_KEY}"
    assert [name for name, value in request.headers.items() if NEUROAI_KEY in value] == ["authorization"]


@either_kind
def test_neuroai_has_every_endpoint_of_its_page(open_client, replies):
    """The seven rows of the endpoints summary, method and path."""
    key = {"id": "key_1", "name": "CI"}
    replies.say("200 OK", {"valid": True, "key": {**key, "id": "key_own"}})
    replies.say("201 Created", {**key, "key": "nai_new0new0new0new0new0new0"})
    replies.say("200 OK", {"data": [key], "next_cursor": None})
    replies.say("200 OK", key)
    replies.say("200 OK", key)
    replies.say("200 OK", {"valid": True, "key": {**key, "id": "key_own"}})
    replies.say("200 OK", {**key, "key": "nai_new1new1new1new1new1new1"})
    replies.say("204 No Content")
    client = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)
    client("verify")
    client("create_key", "CI")
    client("list_keys")
    client("get_key", "key_1")
    client("update_key", "key_1", name="CI 2")
    client("rotate_key", "key_1")
    client("delete_key", "key_1")
    lines = [request.line.removesuffix(" HTTP/1.1") for request in replies.server.requests]
    assert lines == [
        "GET /v1/auth/verify",
        "POST /v1/api-keys",
        "GET /v1/api-keys?limit=50",
        "GET /v1/api-keys/key_1",
        "PATCH /v1/api-keys/key_1",
        "GET /v1/auth/verify",
        "POST /v1/api-keys/key_1/rotate",
        "DELETE /v1/api-keys/key_1",
    ]


@pytest.mark.parametrize(
    ("status", "code", "kind_of_error"),
    [
        ("401 Unauthorized", "unauthorized", InvalidKeyError),
        ("401 Unauthorized", "key_expired", KeyExpiredError),
        ("403 Forbidden", "forbidden", PermissionDeniedError),
        ("403 Forbidden", "referrer_denied", PermissionDeniedError),
        ("429 Too Many Requests", "rate_limited", RateLimitError),
    ],
)
@either_kind
def test_neuroai_refusals_of_its_page(open_client, replies, status, code, kind_of_error):
    """401, 403, 429 and the expired key of the troubleshooting section."""
    replies.say(status, {"error": {"code": code, "message": "no"}}, "Retry-After: 3600")
    with pytest.raises(ApiError) as caught:
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("verify")
    assert type(caught.value) is kind_of_error
    assert caught.value.code == code
    assert len(replies.server.requests) == 1


@either_kind
def test_nexus_sends_what_its_page_shows(open_client, replies):
    """Method, path, body, ``api-key`` without ``Bearer``, ``X-Request-ID`` and ``X-Client-Version``."""
    replies.say("201 Created", {"threadId": "thr_1", "reply": "Hello yourself"})
    thread = open_client("Nexus", NEXUS_KEY, base_url=replies.url)("create_thread", "Hello")
    assert (thread.id, thread.reply) == ("thr_1", "Hello yourself")
    (request,) = replies.server.requests
    assert request.line == "POST /api/public/thread HTTP/1.1"
    assert json.loads(request.body) == {"message": "Hello"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["api-key"] == NEXUS_KEY
    assert "authorization" not in request.headers
    assert "x-api-key" not in request.headers
    assert request.headers["x-client-version"] == __version__
    assert len(request.headers["x-request-id"]) == 32


def test_nexus_is_where_its_page_says_and_spells_its_headers():
    """The URL of the page's example; header names letter by letter."""
    spy = Spy()
    client = services.Nexus(NEXUS_KEY, client_version="1.0.0", transport=spy)
    client.create_thread("Hello", request_id="unique-request-id")
    (call,) = spy.calls
    assert call.url == "https://api.nexusgpt.io/api/public/thread"
    assert call.auth.headers(call.url) == {"api-key": NEXUS_KEY}
    assert call.headers == {"X-Client-Version": "1.0.0", "X-Request-ID": "unique-request-id"}


@pytest.mark.parametrize(
    ("status", "message", "error", "kind_of_error"),
    [
        (401, "Invalid API key", "Unauthorized", InvalidKeyError),
        (403, "Insufficient permissions", "Forbidden", PermissionDeniedError),
    ],
)
@either_kind
def test_nexus_refusals_are_read_whole(open_client, replies, status, message, error, kind_of_error):
    """``statusCode``, ``message`` and ``error``; the request id is the one that was sent."""
    replies.say(f"{status} {error}", {"statusCode": status, "message": message, "error": error})
    with pytest.raises(ApiError) as caught:
        open_client("Nexus", NEXUS_KEY, base_url=replies.url)("create_thread", "Hello", request_id="req-mine")
    assert type(caught.value) is kind_of_error
    assert caught.value.status == status
    assert message in caught.value.message
    assert caught.value.request_id == "req-mine"


@either_kind
def test_every_call_has_a_request_id_of_its_own(service, open_client, replies):
    """A new one each time; the caller's where one is given; the same one when a request is sent again."""
    replies.say("429 Too Many Requests", {}, "Retry-After: 0")
    replies.say("200 OK", {})
    client = open_client(service, KEYS[service], base_url=replies.url)
    client("request", "GET", "/x")
    client("request", "GET", "/x")
    client("request", "GET", "/x", request_id="mine-1")
    ids = [request.headers["x-request-id"] for request in replies.server.requests]
    assert ids[0] == ids[1]
    assert ids[1] != ids[2]
    assert ids[3] == "mine-1"


@pytest.mark.parametrize("request_id", ["", "a b", "a\r\nX-Evil: 1", "x" * 129, "ä"])
def test_a_request_id_that_breaks_the_header_is_refused(service, open_client, replies, request_id):
    """Nothing of it reaches the wire."""
    with pytest.raises(Exception, match="visible ASCII") as caught:
        open_client(service, KEYS[service], base_url=replies.url)(
            "request", "GET", "/x", request_id=request_id
        )
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]
    assert replies.server.connections == 0


@pytest.mark.parametrize("version", ["", "1 0", "1\n0", "1" * 101])
def test_a_client_version_that_breaks_the_header_is_refused(open_client, version):
    """The error comes when the client is made, before any call."""
    with pytest.raises(Exception, match="client_version"):
        open_client("Nexus", NEXUS_KEY, client_version=version)


@pytest.mark.parametrize(
    "path",
    [
        "orders",
        "",
        "https://evil.example/x",
        "//../x",
        "/a/../b",
        "/a/%2e%2e/b",
        "/x?key=1",
        "/x#y",
        "/a\nb",
        "/a/..\\b",
        "/" + "x" * 2048,
    ],
)
def test_a_path_that_leaves_the_base_url_is_refused(service, open_client, replies, path):
    """No dot segments, no other host, no query that would end up in logs."""
    with pytest.raises(Exception, match="path"):
        open_client(service, KEYS[service], base_url=f"{replies.url}/base")("request", "GET", path)
    assert replies.server.connections == 0


@either_kind
def test_requests_are_sent_as_they_are_meant(service, open_client, replies):
    """Any method, a query with plain values, any JSON; empty responses are None."""
    replies.say("200 OK", [1, {"a": None}])
    replies.say("204 No Content")
    client = open_client(service, KEYS[service], base_url=f"{replies.url}/base/")
    params = {"page": 2, "all": True, "ratio": 0.5, "name": "a b&c", "none": None}
    assert client("request", "get", "/x", params=params) == [1, {"a": None}]
    assert client("request", "PUT", "/x/y%20z", json=["list", 1]) is None
    first, second = replies.server.requests
    assert first.line == "GET /base/x?page=2&all=true&ratio=0.5&name=a+b%26c HTTP/1.1"
    assert first.body == b""
    assert second.line == "PUT /base/x/y%20z HTTP/1.1"
    assert json.loads(second.body) == ["list", 1]
    with pytest.raises(Exception, match="not an HTTP method"):
        client("request", "TRACE", "/x")


def test_an_expired_nexus_key_is_recognized_by_the_services_clock(open_client, replies):
    """This machine's clock is two hours slow; the refusal's Date shows that the key has expired."""
    import jwt

    now = datetime.now(UTC)
    claims = {"permissions": ["read"], "exp": int((now + timedelta(hours=1)).timestamp())}
    key = jwt.encode(claims, "k" * 32, algorithm="HS256")
    date = format_datetime(now + timedelta(hours=2), usegmt=True)
    body = {"statusCode": 401, "message": "Invalid API key", "error": "Unauthorized"}
    replies.say("401 Unauthorized", body, f"Date: {date}")
    client = open_client("Nexus", key, base_url=replies.url)
    for _ in range(2):
        with pytest.raises(
            KeyExpiredError, match=r"by the service's clock \(this machine's is 7[12]\d\d s behind it\)"
        ) as caught:
            client("create_thread", "Hello")
    assert caught.value.status is None
    assert len(replies.server.requests) == 1


def test_a_key_that_has_expired_by_this_clock_alone_is_used(open_client, replies):
    """Once the service's time is known, a fast clock on this machine does not condemn a valid key."""
    import jwt

    now = datetime.now(UTC)
    keys = [
        jwt.encode({"exp": int((now + timedelta(seconds=seconds)).timestamp())}, "k" * 32, algorithm="HS256")
        for seconds in (30, -30)
    ]
    date = format_datetime(now - timedelta(hours=2), usegmt=True)
    replies.say("200 OK", {}, f"Date: {date}")
    client = open_client("Nexus", keys[0], base_url=replies.url)
    client("request", "GET", "/x")
    connection = client.client._flows.connection
    connection.use_key(connection.service.parse_key(keys[1]), "argument")
    client("request", "GET", "/x")
    with pytest.raises(KeyExpiredError, match="has not been compared with the service's yet"):
        open_client("Nexus", keys[1], base_url=replies.url)("request", "GET", "/x")
    assert len(replies.server.requests) == 2
