"""What goes wrong between a client and its service, over the same faults as the Nimbus API's own client."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.errors import (
    ApiError,
    InvalidKeyError,
    MethodNotAllowedError,
    NimbusConnectionError,
    NimbusError,
    NimbusTimeoutError,
    PermissionDeniedError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from tests.services.conftest import ENDPOINT, KEYS, SERVICES, ask, base_of, either_kind, key_for
from tests.support.evidence import everything_in, strangers_in
from tests.support.raw_server import head, saying, serving

FOR_EVER = {"times": None}
MATRIX = [
    ({"status": 500}, ServerError),
    ({"status": 502}, ServerError),
    ({"status": 503}, ServerError),
    ({"status": 504}, ServerError),
    ({"status": 401}, InvalidKeyError),
    ({"status": 403}, PermissionDeniedError),
    ({"status": 404}, ApiError),
    ({"status": 405}, MethodNotAllowedError),
    ({"status": 418, "raw_body": b""}, ApiError),
    ({"status": 429, "headers": {"Retry-After": "3600"}}, RateLimitError),
    ({"status": 500, "html": True}, ServerError),
    ({"status": 500, "raw_body": b"\xff\x00"}, ServerError),
    ({"reset": "before_head"}, NimbusConnectionError),
    ({"reset": "after_work"}, NimbusConnectionError),
    ({"reset": "after_head"}, NimbusConnectionError),
    ({"truncate": 3}, NimbusConnectionError),
    ({"html": True}, ResponseFormatError),
    ({"raw_body": b"{"}, ResponseFormatError),
    ({"raw_body": b'{"a": 1, "a": 2}'}, ResponseFormatError),
    ({"raw_body": b"[" * 100_000}, ResponseFormatError),
    ({"redirect": "https://evil.example/"}, ApiError),
]


def each_fault():
    """All faults of one service; of the others, which share its transport, one that each kind stands for."""
    few = (MATRIX[0], MATRIX[4], MATRIX[12], MATRIX[16])
    return [
        pytest.param(
            service,
            *case,
            marks=() if service == "NimbusOS" or case in few else pytest.mark.qualification,
            id=f"{service}-{str(case[0])[:40]}",
        )
        for service in SERVICES
        for case in MATRIX
    ]


@pytest.mark.parametrize(("service", "fault", "expected"), each_fault())
def test_every_fault_is_an_error_of_the_sdk(service, open_client, box, fault, expected):
    """The class that says what happened, with advice, and nothing of the key or of another library in it."""
    key = key_for(box, service)
    box.fault(ENDPOINT[service], **fault, **FOR_EVER)
    with pytest.raises(NimbusError) as caught:
        ask(open_client(service, key, base_url=base_of(box, service)), service)
    assert type(caught.value) is expected
    assert key not in everything_in(caught.value)
    assert not strangers_in(caught.value)
    assert "NIMBUS_SDK_API_URL" not in str(caught.value)
    assert "hello@nimbusbci.com" not in str(caught.value)


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": "after_work"}, {"truncate": 3}])
@either_kind
def test_what_may_happen_twice_is_tried_again(service, open_client, box, fault):
    """A read is repeated; a thread, which would be created twice, is not."""
    box.fault(ENDPOINT[service], **fault)
    client = open_client(service, key_for(box, service), base_url=base_of(box, service))
    if service == "Nexus":
        with pytest.raises(NimbusError):
            ask(client, service)
        assert len(box.journal()) == 1
    else:
        ask(client, service)
        assert len(box.journal()) == 2


@either_kind
def test_a_short_wait_that_is_asked_for_is_waited(service, open_client, box):
    """429 means that nothing was done, so that every call may be sent again."""
    box.fault(ENDPOINT[service], status=429, headers={"Retry-After": "0"})
    assert ask(open_client(service, key_for(box, service), base_url=base_of(box, service)), service)
    assert [exchange.status for exchange in box.journal()] == [429, 201 if service == "Nexus" else 200]


@either_kind
def test_a_slow_response_ends_with_the_timeout(service, open_client, box):
    """The whole call ends within the client's own timeout."""
    box.fault(ENDPOINT[service], delay=5.0)
    with pytest.raises(NimbusTimeoutError):
        ask(open_client(service, key_for(box, service), base_url=base_of(box, service), timeout=0.3), service)


@either_kind
def test_a_server_that_is_not_there_is_reported(service, open_client):
    """A refused connection names the host; nothing was sent, and the error knows it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NimbusConnectionError, match=f"127.0.0.1:{port}") as caught:
        ask(open_client(service, KEYS[service], base_url=f"http://127.0.0.1:{port}"), service)
    assert caught.value.sent is False


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Again", "308 For Ever"])
@either_kind
def test_no_key_follows_a_redirect_to_another_host(service, open_client, status):
    """The other host sees no connection at all, so no key, no header, no body."""
    with serving(saying(b"{}")) as elsewhere:
        target = f"Location: http://localhost:{elsewhere.port}/stolen"
        with serving(saying(b"", status, target)) as server:
            with pytest.raises(ApiError, match="redirect") as caught:
                ask(open_client(service, KEYS[service], base_url=server.url), service)
            assert len(server.requests) == 1
        assert elsewhere.connections == 0
    assert "base_url" in caught.value.hint


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key for 127.0.0.1, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject]
    subprocess.run([*command, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def offering(certificate: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that has one version of TLS only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL 3 offers what is older than TLS 1.2 on its lowest security level only.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    context.minimum_version = version
    context.load_cert_chain(certificate)
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_a_server_without_tls_1_2_gets_nothing(service, open_client, certificate, monkeypatch):
    """The handshake fails, once, and says why; an old client shows that the server does have TLS 1.1."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = offering(certificate, ssl.TLSVersion.TLSv1_1)
    with serving(saying(b"{}"), lambda raw: context.wrap_socket(raw, server_side=True)) as server:
        with pytest.raises(NimbusConnectionError, match=r"not offer TLS 1\.2 or newer") as caught:
            ask(open_client(service, KEYS[service], base_url=f"https://127.0.0.1:{server.port}"), service)
        assert caught.value.passing is False
        assert server.connections == 1
        assert not server.requests
        old = ssl.create_default_context(cafile=certificate)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", server.port)) as raw,
            old.wrap_socket(raw, server_hostname="127.0.0.1") as spoken,
        ):
            assert spoken.version() == "TLSv1.1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_same_server_with_newer_tls_is_served(service, open_client, certificate, monkeypatch, version):
    """It is the version, and nothing else about that server, that is refused."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = offering(certificate, version)
    with serving(
        saying(b'{"valid": true}'), lambda raw: context.wrap_socket(raw, server_side=True)
    ) as server:
        assert ask(open_client(service, KEYS[service], base_url=f"https://127.0.0.1:{server.port}"), service)


def test_a_certificate_of_nobody_is_refused(service, open_client, certificate):
    """Without its root among the trusted ones, the same certificate opens nothing."""
    context = offering(certificate, ssl.TLSVersion.TLSv1_3)
    with serving(saying(b"{}"), lambda raw: context.wrap_socket(raw, server_side=True)) as server:
        with pytest.raises(NimbusConnectionError, match="not trusted"):
            ask(open_client(service, KEYS[service], base_url=f"https://127.0.0.1:{server.port}"), service)
        assert not server.requests


@pytest.mark.parametrize("calls", [20, pytest.param(200, marks=pytest.mark.qualification)])
def test_many_calls_at_once_on_one_client(service, box, calls):
    """All get a response, each with a request id of its own."""
    from tests.services.conftest import PLAIN

    key = key_for(box, service)
    method, path, body = PLAIN[service]

    async def main() -> list[object]:
        async with getattr(services, f"Async{service}")(
            key, base_url=base_of(box, service), timeout=60
        ) as client:
            return await asyncio.gather(*(client.request(method, path, json=body) for _ in range(calls)))

    assert all(asyncio.run(main()))
    assert len({exchange.request_id for exchange in box.journal()}) == calls


@either_kind
def test_an_unfinished_head_is_no_response(service, open_client):
    """A server that stops in the middle of its headers has not answered."""

    def stop(connection, request):
        del request
        connection.sendall(head()[:20])

    with serving(stop) as server, pytest.raises(NimbusConnectionError):
        ask(open_client(service, KEYS[service], base_url=server.url, timeout=5), service)
