"""Open connections that wait for the next request, shared by threads."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar, cast
from weakref import WeakSet

import httpcore

from nimbus_sdk.transport.network import AsyncBackend, Backend
from nimbus_sdk.transport.proxies import Proxy, Route

IDLE_SECONDS = 5.0
MOST_IDLE = 20


C = TypeVar("C", bound=httpcore.ConnectionInterface | httpcore.AsyncConnectionInterface)


class Connection(Generic[C]):
    """A connection of httpcore, and the backend that opens its socket."""

    __slots__ = ("_backend", "_proxy", "core")

    def __init__(self, core: C, backend: Backend | AsyncBackend, proxy: Proxy | None) -> None:
        self.core = core
        self._backend = backend
        self._proxy = proxy

    @property
    def route(self) -> Route:
        """The proxy on the way, and whether the host behind it was reached."""
        wire, proxy = self._backend.wire, self._proxy
        return Route(proxy, proxy is None or (wire is not None and wire.handshakes >= proxy.handshakes))

    @property
    def certificate(self) -> bytes | None:
        """The certificate of the other side in DER, or None without a TLS connection to it."""
        secured = None if self._backend.wire is None else self._backend.wire.info("ssl_object")
        try:
            return secured.getpeercert(binary_form=True) if isinstance(secured, ssl.SSLObject) else None
        except ValueError:
            # In TLS 1.3 the other side may refuse a handshake that has ended on this side.
            return None

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent over it."""
        return self.core.is_available() and not self.core.has_expired()

    def close(self) -> None:
        """Close the socket, from any thread and any event loop."""
        if self._backend.wire is not None:
            self._backend.wire.close()


Connector: TypeAlias = Callable[[httpcore.Origin], Connection[C]]
"""Makes a connection to an origin, which the first request opens."""


class ConnectionPool(Generic[C]):
    """The connections of a process or of one event loop, by origin; thread-safe."""

    def __init__(self) -> None:
        self.connectors: dict[str, Connector[C]] = {}
        self._idle: dict[str, list[Connection[C]]] = {}
        self._busy: set[Connection[C]] = set()
        self._lock = threading.Lock()
        _all.add(self)

    def take(self, place: str, target: httpcore.Origin) -> Connection[C]:
        """Return a connection to an origin for one exchange; ``target`` is the origin as httpcore has it."""
        with self._lock:
            idle = self._idle.setdefault(place, [])
            # The last is the one that has been idle for the shortest time.
            while idle:
                connection = idle.pop()
                if connection.is_usable:
                    break
                connection.close()
            else:
                connection = self.connectors[place](target)
            self._busy.add(connection)
        return connection

    def give_back(self, place: str, connection: Connection[C]) -> None:
        """Keep a connection for the next exchange, or close it if its own did not come to an end."""
        with self._lock:
            if connection not in self._busy or not connection.core.is_available():
                self._busy.discard(connection)
                connection.close()
                return
            self._busy.discard(connection)
            idle = self._idle[place]
            idle.append(connection)
            # The first is the one that has been idle for the longest time.
            while len(idle) > 1 and (len(idle) > MOST_IDLE or not idle[0].is_usable):
                idle.pop(0).close()

    def close(self) -> None:
        """Close all connections; one that is in use is closed when its exchange has ended."""
        with self._lock:
            self._busy.clear()
            for idle in self._idle.values():
                while idle:
                    idle.pop().close()

    def abandon(self) -> None:
        """Close all connections, as their users are gone: a parent's threads, the tasks of an ended loop."""
        # A thread of the parent may have held the lock.
        self._lock = threading.Lock()
        for connection in self._busy:
            connection.close()
        self.close()


_all: WeakSet[ConnectionPool[Any]] = WeakSet()


def _reset_after_fork() -> None:
    """Start over in a child process, since its parent goes on to use the connections."""
    for connections in list(_all):
        connections.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


def _connector(
    make_pool: type[httpcore.ConnectionPool | httpcore.AsyncConnectionPool],
    make_backend: type[Backend | AsyncBackend],
    context: ssl.SSLContext,
    proxy: Proxy | None,
) -> Connector[C]:
    route = None if proxy is None else proxy.for_httpcore(context)

    def connect(origin: httpcore.Origin) -> Connection[C]:
        backend: Any = make_backend()
        pool = make_pool(context, route, keepalive_expiry=IDLE_SECONDS, network_backend=backend)
        return Connection(cast(C, pool.create_connection(origin)), backend, proxy)

    return connect


def connector(context: ssl.SSLContext, proxy: Proxy | None) -> Connector[httpcore.ConnectionInterface]:
    """Return what makes blocking connections."""
    return _connector(httpcore.ConnectionPool, Backend, context, proxy)


def async_connector(
    context: ssl.SSLContext, proxy: Proxy | None
) -> Connector[httpcore.AsyncConnectionInterface]:
    """Return what makes awaitable connections."""
    return _connector(httpcore.AsyncConnectionPool, AsyncBackend, context, proxy)
