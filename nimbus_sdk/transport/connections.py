"""Open connections that wait for the next request, shared by the threads of a process."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeAlias, TypeVar

import httpcore

from nimbus_sdk.transport.network import AsyncBackend, Backend
from nimbus_sdk.transport.proxies import Proxy, Route

IDLE_SECONDS = 5.0
MOST_IDLE = 20


class _Reusable(Protocol):
    """What connections of httpcore have in common, blocking or awaitable."""

    def is_available(self) -> bool: ...

    def has_expired(self) -> bool: ...


C = TypeVar("C", bound=_Reusable)


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
        return Route(proxy, proxy is not None and wire is not None and wire.handshakes >= proxy.handshakes)

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


class Connections(Generic[C]):
    """The connections to one origin; thread-safe."""

    def __init__(self, connect: Connector[C]) -> None:
        self._connect = connect
        self._idle: list[Connection[C]] = []
        self._busy: set[Connection[C]] = set()
        self._lock = threading.Lock()

    def take(self, origin: httpcore.Origin) -> Connection[C]:
        """Return a connection for one exchange, after which it is given back."""
        with self._lock:
            # The last is the one that has been idle for the shortest time.
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable:
                    break
                connection.close()
            else:
                connection = self._connect(origin)
            self._busy.add(connection)
        return connection

    def give_back(self, connection: Connection[C]) -> None:
        """Keep a connection for the next exchange, or close it if its own did not come to an end."""
        with self._lock:
            if connection not in self._busy or not connection.core.is_available():
                self._busy.discard(connection)
                connection.close()
                return
            self._busy.discard(connection)
            self._idle.append(connection)
            # The first is the one that has been idle for the longest time.
            while len(self._idle) > 1 and (len(self._idle) > MOST_IDLE or not self._idle[0].is_usable):
                self._idle.pop(0).close()

    def close(self) -> None:
        """Close all connections; one that is in use is closed when it is given back."""
        with self._lock:
            self._busy.clear()
            while self._idle:
                self._idle.pop().close()

    def abandon(self) -> None:
        """Close all connections, as their users are gone: a parent's threads, the tasks of an ended loop."""
        # A thread of the parent may have held the lock.
        self._lock = threading.Lock()
        for connection in self._busy:
            connection.close()
        self.close()


def connector(context: ssl.SSLContext, proxy: Proxy | None) -> Connector[httpcore.ConnectionInterface]:
    """Return what makes blocking connections."""
    route = None if proxy is None else proxy.for_httpcore(context)

    def connect(origin: httpcore.Origin) -> Connection[httpcore.ConnectionInterface]:
        backend = Backend()
        pool = httpcore.ConnectionPool(context, route, keepalive_expiry=IDLE_SECONDS, network_backend=backend)
        return Connection(pool.create_connection(origin), backend, proxy)

    return connect


def async_connector(
    context: ssl.SSLContext, proxy: Proxy | None
) -> Connector[httpcore.AsyncConnectionInterface]:
    """Return what makes awaitable connections."""
    route = None if proxy is None else proxy.for_httpcore(context)

    def connect(origin: httpcore.Origin) -> Connection[httpcore.AsyncConnectionInterface]:
        backend = AsyncBackend()
        pool = httpcore.AsyncConnectionPool(
            context, route, keepalive_expiry=IDLE_SECONDS, network_backend=backend
        )
        return Connection(pool.create_connection(origin), backend, proxy)

    return connect
