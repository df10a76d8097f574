"""Runs ASGI applications on loopback sockets, in a thread, over connections that can be broken on purpose.

uvicorn's own ``Server`` checks ten times a second whether to stop, and waits for connections to finish. This
one starts and stops within milliseconds, which matters when every test has a sandbox of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from http.client import responses as reason_phrases

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from nimbus_sdk.errors import ConfigurationError

SCOPE_KEY = "nimbus_sandbox.connection"
HOST = "127.0.0.1"
_KEEP_ALIVE_TIMEOUT = 75
_STOP_TIMEOUT = 2.0
_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Connection(H11Protocol):
    """uvicorn's HTTP protocol, which passes itself to the application as ``SCOPE_KEY`` of the scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the connection."""
        super().connection_made(transport)
        application = self.app

        async def with_connection(scope: Scope, receive: Receive, send: Send) -> None:
            scope[SCOPE_KEY] = self
            await application(scope, receive, send)

        self.app = with_connection

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be sent."""
        return self.transport.is_closing()

    def reset(self) -> None:
        """Close with a TCP RST: the peer gets ``ECONNRESET``."""
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None and not self.is_closed:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    async def write_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Write a response head without checking it against the body."""
        phrase = reason_phrases.get(status, "")
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        await self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def write(self, data: bytes) -> None:
        """Write bytes past the HTTP library, as fast as the peer reads them."""
        if not self.is_closed:
            self.transport.write(data)
            await self.flow.drain()


class Listener:
    """Serves the application of each bound socket from ``start`` to ``stop``, which closes the sockets."""

    def __init__(self, applications: Mapping[socket.socket, ASGIApp]) -> None:
        self._applications = applications
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="nimbus-sandbox", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Start serving; return when connections are accepted."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Cut all connections and stop; a second call does nothing."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        state = ServerState()
        servers = [
            await self._loop.create_server(_connection_factory(application, state), sock=listening)
            for listening, application in self._applications.items()
        ]
        self._started.set_result(None)
        await self._stopping.wait()
        for server in servers:
            server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_STOP_TIMEOUT)


def _connection_factory(application: ASGIApp, state: ServerState) -> Callable[[], Connection]:
    config = Config(
        application,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_TIMEOUT,
    )
    config.load()
    return lambda: Connection(config, state, {})


def bind_port(port: int) -> socket.socket:
    """Return a socket bound to a loopback port; 0 takes a free one."""
    # asyncio sets TCP_NODELAY only if the protocol is given; without it a response takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":
            # Lets a sandbox restart on its port at once; on Windows it would share the port instead.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigurationError(
            f"Port {port} on {HOST} cannot be used: {error}.", hint="Use another port, or 0 for a free one."
        ) from error
    return listening


def base_url(listening: socket.socket) -> str:
    """Return the socket's address as a base URL."""
    return f"http://{HOST}:{listening.getsockname()[1]}"
