"""What goes wrong between a client and its system, over the same faults as the Nimbus API's own client."""

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
from tests.services.conftest import ENDPOINT, KEYS, ask, base_of, both_kinds, key_for
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


@pytest.mark.parametrize(("fault", "expected"), MATRIX, ids=lambda part: str(part)[:40])
def test_every_fault_is_an_error_of_the_sdk(system, desk, box, fault, expected):
    """The class that says what happened, with advice, and nothing of the key or of another library in it."""
    key = key_for(box, system)
    box.fault(ENDPOINT[system], **fault, **FOR_EVER)
    with pytest.raises(NimbusError) as caught:
        ask(desk(system, key, base_url=base_of(box, system)), system)
    assert type(caught.value) is expected
    assert key not in everything_in(caught.value)
    assert not strangers_in(caught.value)
    assert "NIMBUS_SDK_API_URL" not in str(caught.value)
    assert "hello@nimbusbci.com" not in str(caught.value)


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": "after_work"}, {"truncate": 3}])
@both_kinds
def test_what_may_happen_twice_is_tried_again(system, desk, box, fault):
    """A read is repeated; a thread, which would be created twice, is not."""
    box.fault(ENDPOINT[system], **fault)
    client = desk(system, key_for(box, system), base_url=base_of(box, system))
    if system == "Nexus":
        with pytest.raises(NimbusError):
            ask(client, system)
        assert len(box.journal()) == 1
    else:
        ask(client, system)
        assert len(box.journal()) == 2


@both_kinds
def test_a_short_wait_that_is_asked_for_is_waited(system, desk, box):
    """429 means that nothing was done, so that every call may be sent again."""
    box.fault(ENDPOINT[system], status=429, headers={"Retry-After": "0"})
    assert ask(desk(system, key_for(box, system), base_url=base_of(box, system)), system)
    assert [exchange.status for exchange in box.journal()] == [429, 201 if system == "Nexus" else 200]


@both_kinds
def test_a_slow_answer_ends_with_the_timeout(system, desk, box):
    """The whole call keeps to the client's own timeout."""
    box.fault(ENDPOINT[system], delay=5.0)
    with pytest.raises(NimbusTimeoutError):
        ask(desk(system, key_for(box, system), base_url=base_of(box, system), timeout=0.3), system)


@both_kinds
def test_a_server_that_is_not_there_is_told_as_such(system, desk):
    """A refused connection names the host; nothing was sent, and the error knows it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NimbusConnectionError, match=f"127.0.0.1:{port}") as caught:
        ask(desk(system, KEYS[system], base_url=f"http://127.0.0.1:{port}"), system)
    assert caught.value.sent is False


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Again", "308 For Ever"])
@both_kinds
def test_no_key_follows_a_redirect_to_another_host(system, desk, status):
    """The other host sees no connection at all, so no key, no header, no body."""
    with serving(saying(b"{}")) as elsewhere:
        target = f"Location: http://localhost:{elsewhere.port}/stolen"
        with serving(saying(b"", status, target)) as server:
            with pytest.raises(ApiError, match="redirect") as caught:
                ask(desk(system, KEYS[system], base_url=server.url), system)
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
    """A server that speaks one version of TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL 3 offers what is older than TLS 1.2 on its lowest security level only.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    context.minimum_version = version
    context.load_cert_chain(certificate)
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_a_server_without_tls_1_2_gets_nothing(system, desk, certificate, monkeypatch):
    """The handshake fails, once, and says why; an old client shows that the server does speak TLS 1.1."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = offering(certificate, ssl.TLSVersion.TLSv1_1)
    with serving(saying(b"{}"), lambda raw: context.wrap_socket(raw, server_side=True)) as server:
        with pytest.raises(NimbusConnectionError, match=r"no TLS 1\.2 or newer") as caught:
            ask(desk(system, KEYS[system], base_url=f"https://127.0.0.1:{server.port}"), system)
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
def test_the_same_server_with_newer_tls_is_served(system, desk, certificate, monkeypatch, version):
    """It is the version, and nothing else about that server, that is refused."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = offering(certificate, version)
    with serving(
        saying(b'{"valid": true}'), lambda raw: context.wrap_socket(raw, server_side=True)
    ) as server:
        assert ask(desk(system, KEYS[system], base_url=f"https://127.0.0.1:{server.port}"), system)


def test_a_certificate_of_nobody_is_refused(system, desk, certificate):
    """Without its root among the trusted ones, the same certificate opens nothing."""
    context = offering(certificate, ssl.TLSVersion.TLSv1_3)
    with serving(saying(b"{}"), lambda raw: context.wrap_socket(raw, server_side=True)) as server:
        with pytest.raises(NimbusConnectionError, match="not trusted"):
            ask(desk(system, KEYS[system], base_url=f"https://127.0.0.1:{server.port}"), system)
        assert not server.requests


def test_two_hundred_calls_at_once_on_one_client(system, box):
    """All are answered, each with a request id of its own."""
    from tests.services.conftest import PLAIN

    key = key_for(box, system)
    method, path, body = PLAIN[system]

    async def main() -> list[object]:
        async with getattr(services, f"Async{system}")(
            key, base_url=base_of(box, system), timeout=60
        ) as client:
            return await asyncio.gather(*(client.request(method, path, json=body) for _ in range(200)))

    assert all(asyncio.run(main()))
    assert len({exchange.request_id for exchange in box.journal()}) == 200


@both_kinds
def test_an_unfinished_head_is_no_answer(system, desk):
    """A server that stops in the middle of its headers has not answered."""

    def stop(connection, request):
        del request
        connection.sendall(head()[:20])

    with serving(stop) as server, pytest.raises(NimbusConnectionError):
        ask(desk(system, KEYS[system], base_url=server.url, timeout=5), system)
