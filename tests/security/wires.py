"""Strangers on the network: a service that plays along, a proxy that listens, a world behind TLS."""

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

THE_WORLD = ("api.nimbusbci.com", "api.github.com", "github.evil.example")


def obliging(connection: socket.socket, request: Request) -> None:
    """A hostile service: it calls every key valid, and lends a token, to hear what comes next."""
    body = json.dumps(
        {**ENTITLEMENT, "success": True, "github_token": "ghs_" + "e" * 36, "revoked": True}
    ).encode()
    connection.sendall(head("200 OK", "Content-Type: application/json", length=len(body)) + body)


def heard(server: RawServer) -> str:
    """All that a server was told."""
    return "\n".join(f"{one.line}\n{one.headers}\n{one.body!r}" for one in server.requests)


@dataclass
class Proxy:
    """A proxy that keeps what passes through it."""

    url: str
    hosts: list[str] = field(default_factory=list)
    passed: bytearray = field(default_factory=bytearray)


@contextmanager
def listening_proxy(port: int) -> Iterator[Proxy]:
    """A CONNECT proxy, every tunnel of which ends at one port of this machine."""

    def connect(connection: socket.socket, request: Request) -> None:
        proxy.hosts.append(request.line.split()[1])
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as beyond:
            back = threading.Thread(target=_carry, args=(beyond, connection, proxy.passed), daemon=True)
            back.start()
            _carry(connection, beyond, proxy.passed)
            back.join(5)

    with serving(connect) as server:
        proxy = Proxy(server.url)
        yield proxy


@contextmanager
def behind_tls(answer: Callable[[socket.socket, Request], None], root: Path) -> Iterator[RawServer]:
    """A server that speaks for the whole world, its certificate's authority goes into ``root``."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*THE_WORLD).configure_cert(context)
    authority.cert_pem.write_to_path(str(root))
    with serving(answer, lambda plain: context.wrap_socket(plain, server_side=True)) as server:
        yield server


def _carry(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            kept += piece
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
