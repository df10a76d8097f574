"""Runs ASGI applications on loopback sockets, in a thread of this process, with uvicorn's HTTP protocol.

uvicorn's own ``Server`` checks ten times a second whether to stop, and waits for connections to finish. This
one starts and stops within milliseconds, which matters when every test has a sandbox of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.connection import Connection

HOST = "127.0.0.1"
_KEEP_ALIVE_TIMEOUT = 75
_STOP_TIMEOUT = 2.0


class Listener:
    """Serves from ``start`` to ``stop``.

    Args:
        applications: The application of each bound socket; ``stop`` closes the sockets.
    """

    def __init__(self, applications: Mapping[socket.socket, ASGIApp]) -> None:
        self._applications = applications
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nimbus-sandbox", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Start serving; return when connections are accepted."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Cut all connections and stop; a second call does nothing."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  raised in the thread that waits in start()
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        state = ServerState()
        servers = [
            await self._loop.create_server(_connection_factory(application, state), sock=listening)
            for listening, application in self._applications.items()
        ]
        self._ready.set()
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
    """Return a socket bound to a loopback port; 0 takes a free one.

    Raises:
        ConfigurationError: The port is taken or not allowed.
    """
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
