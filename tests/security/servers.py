"""Hostile servers: a service that accepts every key, a proxy that records, a TLS server for every host."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.security.fuzz.seeds import ENTITLEMENT
from tests.support.raw_server import RawServer, Request, head, serving

HOSTS = ("api.nimbusbci.com", "api.github.com", "github.evil.example")


def accept_every_key(connection: socket.socket, request: Request) -> None:
    """Answer as a hostile service that accepts every key and issues a token, to receive what comes next."""
    body = json.dumps(
        {**ENTITLEMENT, "success": True, "github_token": "ghs_" + "e" * 36, "revoked": True}
    ).encode()
    connection.sendall(head("200 OK", "Content-Type: application/json", length=len(body)) + body)


def received_text(server: RawServer) -> str:
    """Return everything that a server received."""
    return "\n".join(f"{one.line}\n{one.headers}\n{one.body!r}" for one in server.requests)


@dataclass
class Proxy:
    """A proxy that records what passes through it."""

    url: str
    hosts: list[str] = field(default_factory=list)
    passed: bytearray = field(default_factory=bytearray)


@contextmanager
def recording_proxy(port: int) -> Iterator[Proxy]:
    """Run a CONNECT proxy whose tunnels all end at one port of this machine."""

    def connect(connection: socket.socket, request: Request) -> None:
        proxy.hosts.append(request.line.split()[1])
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as beyond:
            back = threading.Thread(target=_copy, args=(beyond, connection, proxy.passed), daemon=True)
            back.start()
            _copy(connection, beyond, proxy.passed)
            back.join(5)

    with serving(connect) as server:
        proxy = Proxy(server.url)
        yield proxy


@contextmanager
def tls_server(answer: Callable[[socket.socket, Request], None], root: Path) -> Iterator[RawServer]:
    """Run a TLS server for all hosts; the certificate of its authority is written to ``root``."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS).configure_cert(context)
    authority.cert_pem.write_to_path(str(root))
    with serving(answer, lambda plain: context.wrap_socket(plain, server_side=True)) as server:
        yield server


def _copy(source: socket.socket, target: socket.socket, recorded: bytearray) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            recorded += piece
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
