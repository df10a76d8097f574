"""Runs ASGI applications on loopback sockets, in a thread of this process, with uvicorn's HTTP protocol.

uvicorn's own ``Server`` looks for its end ten times a second and waits for connections to finish; this one
starts and stops within milliseconds, which matters where every test has a sandbox of its own.
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

_KEEP_ALIVE = 75
_LAST_WORDS = 2.0


class Listener:
    """Serves from :meth:`start` to :meth:`stop`.

    Args:
        applications: What to serve, by the bound socket to serve it on; the sockets are closed in the end.
    """

    def __init__(self, applications: Mapping[socket.socket, ASGIApp]) -> None:
        self._applications = applications
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nimbus-sandbox", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._fault: BaseException | None = None

    def start(self) -> None:
        """Begin to serve; returns when connections are taken."""
        self._thread.start()
        self._ready.wait()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Cut what is under way and end; a second call does nothing."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as fault:  # noqa: BLE001  handed to the thread that waits in start()
            self._fault = fault
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        state = ServerState()
        servers = [
            await self._loop.create_server(_connections(application, state), sock=place)
            for place, application in self._applications.items()
        ]
        self._ready.set()
        await self._over.wait()
        for server in servers:
            server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_LAST_WORDS)


def _connections(application: ASGIApp, state: ServerState) -> Callable[[], Connection]:
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
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    return lambda: Connection(config, state, {})


HOST = "127.0.0.1"


def bound(port: int) -> socket.socket:
    """A socket bound to a loopback port; 0 takes a free one.

    Raises:
        ConfigurationError: The port is taken, or may not be used.
    """
    # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer takes 40 ms.
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":
            # Lets a sandbox restart on its port at once; on Windows it would share the port instead.
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((HOST, port))
    except (OSError, OverflowError) as fault:
        place.close()
        raise ConfigurationError(
            f"Port {port} of {HOST} cannot be used: {fault}.", hint="Take another port, or 0 for a free one."
        ) from fault
    return place


def url(place: socket.socket) -> str:
    """The socket's address as a base URL."""
    return f"http://{HOST}:{place.getsockname()[1]}"
