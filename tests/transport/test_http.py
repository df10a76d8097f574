"""One request over real sockets: what goes out, what comes in, and all that can go wrong between."""

import gzip
import json
import logging
import math
import socket
import struct
import time
import traceback
import zlib
from email.utils import formatdate

import pytest

from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import (
    ConfigurationError,
    NimbusConnectionError,
    NimbusTimeoutError,
    ResponseFormatError,
)
from nimbus_sdk.transport import response_reader
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import BODY_LIMIT, HeaderAuth, Request
from tests.support.evidence import everything_in, strangers_in
from tests.support.raw_server import head, saying, serving

KEY = "nbci_live_" + "0123456789ab" * 4


def request_to(url, **fields):
    """A call with a key in its header."""
    auth = HeaderAuth("X-API-Key", KEY, origin(url))
    return Request(
        **{"name": "models", "method": "GET", "url": f"{url}/v1/models/list", "auth": auth, **fields}
    )


def fails(send, step, kind, **options):
    """The error of an exchange, once it is known to carry nothing that it should not."""
    with pytest.raises(kind) as caught:
        send(step, **options)
    error = caught.value
    assert KEY not in everything_in(error)
    assert strangers_in(error) == []
    return error


def test_a_request_says_who_asks_and_asks_for_plain_json(send):
    """The headers name SDK, Python and platform, and accept no compression; None is omitted."""
    with serving(saying(b"{}")) as server:
        send(
            request_to(
                server.url,
                params={"paradigm": "motor imagery", "type": None},
                headers={"X-Request-ID": "abc"},
            )
        )
    (request,) = server.requests
    assert request.line == "GET /v1/models/list?paradigm=motor+imagery HTTP/1.1"
    sent = request.headers
    assert sent["user-agent"].startswith("nimbusbci-sdk/")
    assert "Python/3." in sent["user-agent"]
    assert (sent["accept"], sent["accept-encoding"]) == ("application/json", "identity")
    assert (sent["x-api-key"], sent["x-request-id"]) == (KEY, "abc")
    assert not {"authorization", "cookie", "proxy-authorization"} & set(sent)


def test_a_body_goes_out_as_json(send):
    """What is posted is JSON and says so."""
    with serving(saying(b"{}")) as server:
        send(request_to(server.url, method="POST", json={"reason": "Grüße", "n": None}))
    (request,) = server.requests
    assert json.loads(request.body) == {"reason": "Grüße", "n": None}
    assert request.headers["content-type"] == "application/json"


def test_an_answer_keeps_status_headers_body_and_the_two_clocks_difference(send):
    """Header names are in lower case, and the service's clock is compared with ours."""
    date = formatdate(time.time() + 100, usegmt=True)
    with serving(saying(b"abc", "418 Odd", f"Date: {date}", "X-ODD: 1", "X-Request-ID: req_7")) as server:
        response = send(request_to(server.url, headers={"X-Request-ID": "mine"}))
    assert (response.status, response.body, response.headers["x-odd"]) == (418, b"abc", "1")
    assert response.request_id == "req_7"
    assert 97 < response.clock_offset < 102


def test_a_response_without_date_or_id_has_neither(send):
    """Nothing is made up about the clock; the id is the one that was sent."""
    with serving(saying(b"")) as server:
        response = send(request_to(server.url, headers={"X-Request-ID": "mine"}))
    assert (response.clock_offset, response.request_id) == (None, "mine")


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -1200", "Sat, 01 Jan 1600 00:00:00 GMT", "soon"])
def test_a_date_from_another_age_is_ignored(send, date):
    """What does not fit beside our own clock would end in an error of arithmetic later on."""
    with serving(saying(b"{}", "200 OK", f"Date: {date}")) as server:
        assert send(request_to(server.url)).clock_offset is None


def test_a_request_id_from_outside_is_made_harmless(send):
    """An id that echoes the key, or is endless, is not carried into messages."""
    with serving(saying(b"{}", "200 OK", f"X-Request-ID: {KEY}-{'x' * 500}")) as server:
        response = send(request_to(server.url))
    assert KEY not in response.request_id
    assert len(response.request_id) <= 130


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed(send, status):
    """The other host gets no connection, let alone the key."""
    with serving(saying(b"{}")) as other, serving(saying(b"", status, f"Location: {other.url}/x")) as server:
        response = send(request_to(server.url))
    assert response.status == int(status[:3])
    assert other.connections == 0


PLAIN = ("", "identity", "Identity", "none", "aws-chunked", "identity, aws-chunked", " , none")


@pytest.mark.parametrize("coding", PLAIN)
def test_a_coding_that_compresses_nothing_is_no_fault(send, coding):
    """Storage hosts have several ways to say so; the bytes are taken as they are, into memory or a sink."""
    sink = Collector()
    with serving(saying(b"{}", "200 OK", f"Content-Encoding: {coding}")) as server:
        assert send(request_to(server.url)).body == b"{}"
        send(request_to(server.url, sink=sink))
    assert sink.content == b"{}"


def compressed(kind, content):
    """Content in one of the codings of RFC 9110, section 8.4.1."""
    return zlib.compress(content) if kind == "deflate" else gzip.compress(content)


@pytest.mark.parametrize("kind", ["gzip", "x-gzip", "GZIP", "deflate"])
@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
def test_a_compressed_answer_is_unpacked(send, kind, status):
    """It was not asked for, but some proxies compress what they pass on."""
    content = b'{"error": "no"}' * 1000
    with serving(saying(compressed(kind, content), status, f"Content-Encoding: {kind}")) as server:
        assert send(request_to(server.url)).body == content
    with serving(saying(b"", "204 No Content", f"Content-Encoding: {kind}")) as server:
        assert send(request_to(server.url)).body == b""


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"{}")[:-9],
        b"no gzip at all",
        gzip.compress(b" " * (BODY_LIMIT + 1)),
        gzip.compress(b"") + b"x" * BODY_LIMIT,
        zlib.compress(b" " * 2**25, level=1),
    ],
    ids=["cut", "other", "large", "padded", "bomb"],
)
def test_a_compressed_answer_that_is_damaged_or_too_large_is_an_error(send, content):
    """It is unpacked as far as the bound, and no further."""
    with serving(saying(content, "200 OK", "Content-Encoding: gzip")) as server:
        error = fails(send, request_to(server.url), ResponseFormatError)
    assert "compression" in str(error) or str(BODY_LIMIT) in str(error)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br", f"x-{KEY}"])
def test_another_compression_is_refused_by_name(send, coding):
    """What was not asked for and cannot be unpacked."""
    with serving(saying(b"\x1f\x8b", "200 OK", f"Content-Encoding: {coding}")) as server:
        error = fails(send, request_to(server.url), ResponseFormatError)
    assert "compressed" in str(error)
    assert coding[:4] in str(error)


def test_a_compressed_download_is_refused(send):
    """Its size and its hash are those of the file; a refusal on the way to it may be compressed."""
    with serving(saying(gzip.compress(b"abc"), "200 OK", "Content-Encoding: gzip")) as server:
        fails(send, request_to(server.url, sink=Collector()), ResponseFormatError)
    with serving(saying(gzip.compress(b"{}"), "404 Not Found", "Content-Encoding: gzip")) as server:
        assert send(request_to(server.url, sink=Collector())).body == b"{}"


def test_an_endless_answer_is_read_up_to_a_bound_and_no_further(send):
    """Of 64 MiB not much more than the bound is taken from the wire."""
    written = []

    def pour(connection, request):
        connection.sendall(head())
        for _ in range(1024):
            connection.sendall(b" " * 65536)
            written.append(65536)

    with serving(pour) as server:
        error = fails(send, request_to(server.url), ResponseFormatError)
    assert str(BODY_LIMIT) in str(error)
    assert sum(written) < 8 * BODY_LIMIT


def test_an_answer_just_within_the_bound_is_read_whole(send):
    """The bound is no tighter than it says."""
    with serving(saying(b" " * BODY_LIMIT)) as server:
        assert len(send(request_to(server.url)).body) == BODY_LIMIT


class Collector:
    """A sink that records its calls."""

    def __init__(self):
        self.begun = []
        self.content = b""
        self.progress = 0

    def request_headers(self):
        """Ask for the rest."""
        return {"Range": "bytes=3-", "Accept": "application/octet-stream"}

    def begin(self, status, headers):
        """Note it."""
        self.begun.append((status, headers.get("etag")))

    def write(self, chunk):
        """Keep it."""
        self.content += chunk
        self.progress = len(self.content) // 100


@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
def test_a_download_goes_to_its_sink_whatever_its_size(send, status):
    """The sink gets the bytes, the answer none, and the bound of other answers does not count."""
    content = b"0123456789" * (BODY_LIMIT // 10 + 1)
    sink = Collector()
    with serving(saying(content, status, 'ETag: "v1"')) as server:
        response = send(request_to(server.url, sink=sink))
    assert (response.body, sink.begun) == (b"", [(int(status[:3]), '"v1"')])
    assert sink.content == content
    assert server.requests[0].headers["range"] == "bytes=3-"
    assert server.requests[0].headers["accept"] == "application/octet-stream"


def test_a_refusal_does_not_go_into_the_file(send):
    """A sink sees nothing of a 404; its text is in the response."""
    sink = Collector()
    with serving(saying(b'{"message": "Not Found"}', "404 Not Found")) as server:
        response = send(request_to(server.url, sink=sink))
    assert (sink.begun, sink.content) == ([], b"")
    assert response.body == b'{"message": "Not Found"}'


def test_what_a_sink_says_comes_out_unchanged(send):
    """The disk's own error is the error of the exchange."""

    class Full(Collector):
        def write(self, chunk):
            raise ConfigurationError("the disk is full")

    with serving(saying(b"abc")) as server:
        fails(send, request_to(server.url, sink=Full()), ConfigurationError)


def test_an_interrupt_in_a_download_shows_no_secret(send):
    """The traceback of Ctrl-C has no frame with the request."""

    class Interrupted(Collector):
        def write(self, chunk):
            raise KeyboardInterrupt

    with serving(saying(b"abc")) as server, pytest.raises(KeyboardInterrupt) as caught:
        send(request_to(server.url, sink=Interrupted()))
    modules = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert not [name for name in modules if name.startswith(("httpcore", "h11"))]
    assert KEY not in everything_in(caught.value)


def drip(content):
    """Return a handler that sends single bytes with pauses, and the list of the bytes that it has sent."""
    sent = []

    def handler(connection, request):
        for byte in content:
            connection.sendall(bytes([byte]))
            sent.append(byte)
            time.sleep(0.02)

    return handler, sent


def test_a_download_that_drips_single_bytes_ends_at_the_deadline(send):
    """They are no progress; the sink has them, and the exchange ends long before the server does."""
    handler, sent = drip(b"x" * 1000)

    def answer(connection, request):
        connection.sendall(head(length=1000))
        handler(connection, request)

    sink = Collector()
    with serving(answer) as server:
        fails(send, request_to(server.url, sink=sink), NimbusTimeoutError, seconds=0.2)
        assert len(sent) < 1000
    assert 0 < len(sink.content) < 100


def test_a_download_that_makes_progress_outlives_its_deadline(send):
    """The server takes a second, the deadline is half of one, and every byte arrives."""

    def answer(connection, request):
        connection.sendall(head(length=1000))
        for _ in range(10):
            time.sleep(0.1)
            connection.sendall(b"x" * 100)

    sink = Collector()
    with serving(answer) as server:
        assert send(request_to(server.url, sink=sink, silence=0.4), seconds=0.5).status == 200
    assert sink.content == b"x" * 1000


@pytest.mark.parametrize(("silence", "arrives"), [(2.0, True), (0.2, False)])
def test_the_silence_of_a_body_may_last_as_long_as_the_request_allows(send, silence, arrives):
    """A proxy that scans a file sends its head at once and its body late."""

    def answer(connection, request):
        connection.sendall(head(length=3))
        time.sleep(0.8)
        connection.sendall(b"abc")

    with serving(answer) as server:
        request = request_to(server.url, sink=Collector(), silence=silence)
        if arrives:
            assert send(request).status == 200
        else:
            fails(send, request, NimbusTimeoutError)


def test_a_longer_timeout_lets_a_service_be_silent_for_longer(send, monkeypatch):
    """A response may take half the time left, so that there is time for another try."""
    monkeypatch.setattr(response_reader, "SILENCE_SECONDS", 0.1)

    def answer(connection, request):
        time.sleep(0.5)
        connection.sendall(head(length=2) + b"{}")

    with serving(answer) as server:
        assert send(request_to(server.url), seconds=5).status == 200
        fails(send, request_to(server.url), NimbusTimeoutError, seconds=0.8)


def hang(connection, request):
    """Answer nothing until the peer goes away."""
    connection.recv(1)


def test_a_service_that_never_answers_is_a_timeout(send):
    """The exchange ends at the deadline and not before, while the server still waits."""
    with serving(hang) as server:
        deadline = Deadline(0.3)
        error = fails(send, request_to(server.url), NimbusTimeoutError, deadline=deadline)
        assert not deadline.remaining()
    assert server.url.removeprefix("http://") in str(error)


def test_a_body_that_drips_ends_at_the_deadline(send):
    """Each byte comes in time, the whole does not."""
    handler, sent = drip(b" " * 1000)

    def answer(connection, request):
        connection.sendall(head(length=1000))
        handler(connection, request)

    with serving(answer) as server:
        error = fails(send, request_to(server.url), NimbusTimeoutError, seconds=0.3)
        assert len(sent) < 1000
    assert "slow" in str(error)


def test_a_head_that_drips_ends_at_the_deadline(send):
    """So does a response that never gets beyond its headers."""
    handler, sent = drip(head("200 OK", "X-Long: " + "x" * 2000, length=0))
    with serving(handler) as server:
        fails(send, request_to(server.url), NimbusTimeoutError, seconds=0.3)
        assert len(sent) < 2000


def test_the_error_for_a_refused_connection_names_the_host(send):
    """A refused connection names host and port, and may be tried again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = fails(send, request_to(f"http://127.0.0.1:{port}"), NimbusConnectionError)
    assert f"127.0.0.1:{port} cannot be reached" in str(error)
    assert error.passing is True


def cut(content):
    """Promise a body and send only this much of it."""

    def answer(connection, request):
        connection.sendall(head(length=1000) + content)

    return answer


def reset(connection, request):
    """Cut the connection with a TCP RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def garbage(connection, request):
    """Speak something else than HTTP."""
    connection.sendall(b"220 mail.example ESMTP\r\n" + KEY.encode() + b"\r\n\r\n")


@pytest.mark.parametrize("handler", [cut(b"abc"), cut(b""), reset, garbage, lambda *_: None])
def test_a_broken_connection_is_a_passing_fault(send, handler):
    """Cut short, reset, no HTTP at all, nothing at all: each may be tried again."""
    with serving(handler) as server:
        error = fails(send, request_to(server.url), NimbusConnectionError)
    assert error.passing is True


class Strange:
    """No JSON."""


@pytest.mark.parametrize(
    "value", [Strange(), math.nan, math.inf, "\ud83d", b"bytes", {"deep": {1, 2}}, {("a", 1): 2}]
)
def test_what_cannot_be_sent_is_an_error_before_anything_is_sent(send, value):
    """A value that is not JSON is a ConfigurationError without any part of the body."""
    with serving(saying(b"{}")) as server:
        step = request_to(server.url, method="POST", json={"api_key": KEY, "metadata": value})
        error = fails(send, step, ConfigurationError)
    assert "models" in error.message
    assert server.connections == 0


def test_a_body_that_holds_itself_cannot_be_sent(send):
    """A circle is no JSON either."""
    circle = {}
    circle["again"] = circle
    with serving(saying(b"{}")) as server:
        fails(send, request_to(server.url, method="POST", json=circle), ConfigurationError)


def test_a_parameter_that_no_url_can_contain_is_an_error(send):
    """Half a character in a filter is the caller's mistake."""
    with serving(saying(b"{}")) as server:
        fails(send, request_to(server.url, params={"type": "\ud83d"}), ConfigurationError)
        error = fails(send, request_to(server.url, params={"type": "x" * 100_000}), NimbusConnectionError)
    assert error.passing is False
    assert server.connections == 0


def test_a_secret_with_a_line_break_cannot_add_a_header_and_is_not_in_the_error(send):
    """h11 would show the header's value; the error shows neither it nor h11's error."""
    with serving(saying(b"{}")) as server:
        auth = HeaderAuth("X-API-Key", f"{KEY}\r\nX-Evil: 1", origin(server.url))
        error = fails(send, request_to(server.url, auth=auth), NimbusConnectionError)
    assert error.passing is False
    assert not server.requests


def test_a_url_of_another_origin_gets_no_secret(send):
    """The check comes before the connection."""
    with serving(saying(b"{}")) as server:
        auth = HeaderAuth("X-API-Key", KEY, "https://api.nimbusbci.com:443")
        fails(send, request_to(server.url, auth=auth), ConfigurationError)
    assert server.connections == 0


def test_connections_are_used_for_the_next_request():
    """Two requests of one client need one connection."""
    from nimbus_sdk.transport.deadline import Deadline
    from nimbus_sdk.transport.http import HttpTransport

    def twice(connection, request):
        for _ in range(2):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            connection.recv(65536)

    transport = HttpTransport()
    with serving(twice) as server:
        for _ in range(2):
            assert transport.send(request_to(server.url), Deadline(5)).status == 200
    transport.close()
    assert server.connections == 1


def test_no_logger_at_debug_logs_a_secret(send, caplog):
    """With every logger at DEBUG, key, token and signed address are in no record, and records there are."""
    token = "ghp_" + "aB3" * 12
    signed = "https://storage.example/asset?X-Amz-Signature=5ecre7"
    answer = saying(
        json.dumps({"github_token": token, "api_key": KEY}).encode(),
        "302 Found",
        f"Location: {signed}",
        f"X-API-Key: {KEY}",
        f"Authorization: Bearer {token}",
        f"Set-Cookie: key={KEY}",
    )
    for name in ("", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    with serving(answer) as server:
        bearer = HeaderAuth("Authorization", token, origin(server.url), "Bearer ")
        send(request_to(server.url), request_to(server.url, auth=bearer, params={"sig": "5ecre7"}))
    logged = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert {"httpcore.http11", "nimbus_sdk.transport"} <= {record.name for record in caplog.records}
    for secret in (KEY, KEY[10:], token, token[4:], "5ecre7"):
        assert secret not in logged
