"""A server of raw bytes on loopback: it records what it reads, and the test writes the responses."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from nimbus_sdk.sandbox import Sandbox

Handler = Callable[[socket.socket, "Request"], None]
Ender = Callable[[Sandbox], object]


@dataclass(slots=True)
class Request:
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class RawServer:
    """Where the server listens, and what it received."""

    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """Return its base URL."""
        return f"http://127.0.0.1:{self.port}"


def head(status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """Return the head of a response; the connection closes after it."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def saying(body: bytes, status: str = "200 OK", *headers: str) -> Handler:
    """Return a handler that gives every request the same response."""

    def answer(connection: socket.socket, request: Request) -> None:
        connection.sendall(head(status, *headers, length=len(body)) + body)

    return answer


def answering(body: Callable[[Request], bytes]) -> Handler:
    """Return a handler that responds to each request of a connection, until the client closes it."""

    def answer(connection: socket.socket, request: Request) -> None:
        asked: Request | None = request
        while asked is not None:
            content = body(asked)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
            asked = _read(connection)

    return answer


def tunnel(connection: socket.socket, port: int) -> None:
    """Answer a CONNECT, and carry what comes to one port of this machine and back."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port)) as beyond:
        back = threading.Thread(target=carry, args=(beyond, connection), daemon=True)
        back.start()
        carry(connection, beyond)
        back.join(5)


def vacated(sandbox: Sandbox) -> socket.socket:
    """Stop a sandbox, and reserve its port: another process's server must not answer there."""
    port = urlsplit(sandbox.api_url).port
    sandbox.stop()
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name != "nt":
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", port))
    return reserved


@contextmanager
def serving(
    handler: Handler,
    wrap: Callable[[socket.socket], socket.socket] | None = None,
    port: int = 0,
    listener: socket.socket | None = None,
) -> Iterator[RawServer]:
    """Run a server that passes each request, on a connection of its own, to a handler.

    Args:
        handler: Writes the response; the connection is closed after it.
        wrap: Makes a TLS connection of a plain one.
        port: Where it listens; any free one for 0.
        listener: Listens instead, such as on a host of ``tests/support/networks.py``.
    """
    listener = listener or socket.create_server(("127.0.0.1", port))
    server = RawServer(listener.getsockname()[1])
    workers: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        try:
            with wrap(connection) if wrap else connection as stream:
                connections.append(stream)
                request = _read(stream)
                if request is not None:
                    server.requests.append(request)
                    handler(stream, request)
        except OSError:
            pass  # the client closed the connection, as some tests want
        finally:
            connection.close()

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            server.connections += 1
            worker = threading.Thread(target=serve, args=(connection,), daemon=True)
            worker.start()
            workers.append(worker)

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            worker.join(5)


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    top, _, body = received.partition(b"\r\n\r\n")
    line, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Request(line, headers, body)
