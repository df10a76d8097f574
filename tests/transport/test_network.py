"""Connecting and reading on networks as they are: dead ends, long lines, several addresses, TLS in TLS."""

import base64
import contextlib
import errno
import os
import socket
import ssl
import threading

import pytest
import trustme

from nimbus_sdk.display import timeouts
from nimbus_sdk.errors import NimbusConnectionError, NimbusTimeoutError
from nimbus_sdk.transport import dns
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.dns import connect
from nimbus_sdk.transport.flow import Request
from tests.support.raw_server import answering, head, saying, serving

SERVER, OTHERS = "198.51.100.7", [f"198.51.100.{number}" for number in range(8, 15)]
SIXTH = "2001:db8:2::7"
V4, V6 = socket.AF_INET, socket.AF_INET6
FORGED = b"\x17\x03\x03\x00\x20" + bytes(32)
"""A record of TLS whose content nobody has encrypted."""


@pytest.fixture(scope="module")
def authority():
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """Trust it; return what makes a server's connections TLS."""
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example", "127.0.0.1", "localhost").configure_cert(context)
    return lambda plain: context.wrap_socket(plain, server_side=True)


def to(url):
    """A request without a key."""
    return Request(name="health", method="GET", url=url)


@pytest.mark.parametrize("hole", [["2001:db8:2::/64"], ["198.51.100.0/28"], []])
def test_a_version_of_ip_that_leads_nowhere_costs_little(network, send, hole):
    """The other one is tried a quarter of a second later; neither refuses, one answers."""
    network.link.holes = hole
    listeners = [network.far.listen(address, 80) for address in (SIXTH, SERVER)]
    with (
        serving(answering(lambda _: b"{}"), listener=listeners[0]) as sixth,
        serving(answering(lambda _: b"{}"), listener=listeners[1]) as fourth,
        network.names({"api.example": [SIXTH, SERVER]}),
    ):
        answer = network.near.run(lambda: send(to("http://api.example/"), seconds=3))
    assert answer.status == 200
    assert (sixth.connections, fourth.connections) == ((0, 1) if hole == ["2001:db8:2::/64"] else (1, 0))


def test_many_addresses_on_a_slow_line_leave_time_for_tls(network, send, trusted):
    """Eight addresses, all of which answer late: the handshake is not cut off, and no address is too many."""
    network.link.delay = 0.2
    listeners = [network.far.listen(address, 443) for address in (SERVER, *OTHERS)]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(serving(answering(lambda _: b"{}"), trusted, listener=each))
            for each in listeners
        ]
        stack.enter_context(network.names({"api.example": [SERVER, *OTHERS]}))
        assert network.near.run(lambda: send(to("https://api.example/"), seconds=20)).status == 200
    assert sum(len(server.requests) for server in servers) == 1


def test_a_name_server_may_take_what_the_call_has(monkeypatch):
    """The first one is dead, the resolver asks the second after five seconds: a look-up is given them."""
    given = []

    def run_with_timeout(job, seconds):
        given.append(seconds)
        raise timeouts.TimeLimitError

    monkeypatch.setattr(dns, "run_with_timeout", run_with_timeout)
    from nimbus_sdk.transport.http import HttpTransport

    transport = HttpTransport()
    with pytest.raises(NimbusTimeoutError, match=r"No name server answered for api\.example") as caught:
        transport.send(to("https://api.example/"), Deadline(30))
    assert caught.value.sent is False
    assert 29 < given[0] <= 30


def test_the_next_address_is_tried_at_once_after_a_refusal():
    """Of two, the second listens; the socket is that one's."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()
        closed.close()
        with connect([(V4, refusing), (V4, listener.getsockname())], 5) as connected:
            assert connected.getpeername() == listener.getsockname()


def test_where_all_addresses_refuse_the_error_is_a_refusal():
    """It is that of the last, and no socket is left open."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    with pytest.raises(ConnectionRefusedError):
        connect([(V6, ("::1", address[1])), (V4, address)], 5)
    with pytest.raises(OSError, match="no address"):
        connect([], 5)


def test_addresses_alternate_between_the_versions_of_ip(monkeypatch):
    """The system's first comes first, and the other version second (RFC 8305, section 4)."""
    tried = []

    def refuse(connecting, address):
        tried.append(address[0])
        raise OSError(errno.ENETUNREACH, "unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    sixths, fourths = [(V6, (f"::{n}", 1)) for n in range(1, 4)], [(V4, (f"127.0.0.{n}", 1)) for n in (1, 2)]
    with pytest.raises(OSError, match="unreachable"):
        connect([*sixths, *fourths], 5)
    assert tried == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]


def test_a_large_answer_over_tls_comes_whole(send, trusted):
    """More than fits into the records and buffers of one read."""
    content = bytes(range(256)) * 8192
    with serving(saying(content), trusted) as server:
        assert send(to(f"https://127.0.0.1:{server.port}/")).body == content


def test_a_large_body_goes_out_over_tls(send, trusted):
    """The server reads all of it before it answers."""
    reason = "x" * 2_000_000
    with serving(saying(b"{}"), trusted) as server:
        request = Request(
            name="x", method="POST", url=f"https://localhost:{server.port}/", json={"reason": reason}
        )
        assert send(request).status == 200
    assert len(server.requests[0].body) > len(reason)


def cut(connection, request):
    """Promise more than is sent."""
    connection.sendall(head(length=1000) + b"abc")


def test_an_answer_over_tls_that_is_cut_short_is_a_passing_fault(send, trusted):
    """The end of the connection without a word of TLS is not taken for the end of the answer."""
    with serving(cut, trusted) as server, pytest.raises(NimbusConnectionError) as caught:
        send(to(f"https://127.0.0.1:{server.port}/"))
    assert caught.value.passing is True


@contextlib.contextmanager
def one_segment(connection):
    """Send what is written in this block at once, and yield the socket below TLS."""
    with socket.socket(fileno=os.dup(connection.fileno())) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        yield plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the system has no way to do this")
@pytest.mark.parametrize(
    ("is_ended", "rest"),
    [(True, b""), (True, b"no record"), (True, FORGED), (False, FORGED)],
    ids=["end", "end, no record", "end, forged record", "forged record"],
)
def test_an_answer_is_whole_whatever_arrives_with_its_end(send, trusted, is_ended, rest):
    """The end of TLS ends the stream; behind it, and behind the answer, nothing counts."""

    def answer(connection, request):
        with one_segment(connection) as plain:
            connection.sendall(head(length=2) + b"{}")
            connection.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError):
                if is_ended:
                    connection.unwrap()
            plain.sendall(rest)

    with serving(answer, trusted) as server:
        assert send(to(f"https://127.0.0.1:{server.port}/")).body == b"{}"


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the system has no way to do this")
def test_a_forged_record_behind_a_genuine_one_is_a_fault_of_tls(send, trusted):
    """It is not taken for the end of the stream."""

    def forge(connection, request):
        with one_segment(connection) as plain:
            connection.sendall(head(length=1000) + b"abc")
            plain.sendall(FORGED)

    with serving(forge, trusted) as server, pytest.raises(NimbusConnectionError, match=r"TLS .* failed"):
        send(to(f"https://127.0.0.1:{server.port}/"))


def test_a_handshake_that_drips_ends_at_the_deadline(send, trusted):
    """Each byte comes in time, the handshake does not."""

    def drip(plain):
        for _ in range(1000):
            plain.sendall(b"\x16")
            threading.Event().wait(0.02)
        return plain

    with serving(saying(b"{}"), drip) as server, pytest.raises(NimbusConnectionError) as caught:
        send(to(f"https://127.0.0.1:{server.port}/"), seconds=0.3)
    assert caught.value.sent is False


def test_an_https_proxy_is_reached_over_tls_and_the_service_over_tls_within_it(send, trusted, monkeypatch):
    """The password goes to the proxy alone, the request into the inner TLS alone."""

    def carry(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def tunnel(connection, request):
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", service.port)) as beyond:
            back = threading.Thread(target=carry, args=(beyond, connection), daemon=True)
            back.start()
            carry(connection, beyond)
            back.join(5)

    content = b"x" * 300_000
    with serving(saying(content), trusted) as service, serving(tunnel, trusted) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://someone:pa55%40@localhost:{proxy.port}")
        assert send(to("https://api.example/x")).body == content
    (asked,) = proxy.requests
    assert asked.line == "CONNECT api.example:443 HTTP/1.1"
    assert asked.headers["proxy-authorization"] == f"Basic {base64.b64encode(b'someone:pa55@').decode()}"
    assert service.requests[0].line == "GET /x HTTP/1.1"
