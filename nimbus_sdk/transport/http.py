"""Sends requests over HTTP with httpx and httpcore, limited in size and time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakSet

import anyio
import httpcore

from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import NimbusConnectionError, NimbusError
from nimbus_sdk.transport.connections import Connections, async_connector, connector
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.encoding import encode_request
from nimbus_sdk.transport.failures import is_socks_error
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.network import ExchangeLimits
from nimbus_sdk.transport.proxies import ClientPool
from nimbus_sdk.transport.redaction import guard_loggers, strip_tracebacks
from nimbus_sdk.transport.response_reader import ResponseReader
from nimbus_sdk.transport.threads import PerLoop, run_in_thread

MOST_CONNECTIONS = 100
"""Connections of an event loop; further requests wait for one."""

HTTP_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


class HttpTransport:
    """Sends requests over HTTP; connections stay open for the next request, of any thread."""

    def __init__(self) -> None:
        guard_loggers()
        self._connectors = ClientPool(connector)
        self._by_origin: dict[str, Connections[httpcore.ConnectionInterface]] = {}
        _transports.add(self)

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``nimbus_sdk.transport.driver.Transport``."""
        reader = ResponseReader(request, deadline)
        try:
            self._exchange(request, reader)
        except (*HTTP_ERRORS, NimbusConnectionError) as error:
            failure = reader.failure(error)
        except NimbusError as error:
            # The frames below may contain secrets: a piece of the body, or the headers.
            raise error.with_traceback(None)  # noqa: B904
        except BaseException as error:  # noqa: BLE001
            if not is_socks_error(error):
                raise strip_tracebacks(error)  # noqa: B904
            failure = reader.failure(error)
        else:
            return reader.response()
        # Raised here and not in the handler, so that the error refers to no object with the headers.
        raise failure

    def _exchange(self, request: Request, reader: ResponseReader) -> None:
        encoded = encode_request(request, reader.limits)
        connections = self._connections(request.url)
        reader.connection = connection = connections.take(encoded.url.origin)
        try:
            answer = connection.core.handle_request(encoded)
            try:
                reader.begin(answer)
                for chunk in answer.iter_stream():
                    reader.append(chunk)
                reader.end()
            finally:
                answer.close()
        finally:
            connections.give_back(connection)

    def _connections(self, url: str) -> Connections[httpcore.ConnectionInterface]:
        place = origin(url)
        known = self._by_origin.get(place)
        return known or self._by_origin.setdefault(place, Connections(self._connectors.for_url(url)))

    def close(self) -> None:
        """Close all connections."""
        for connections in list(self._by_origin.values()):
            connections.close()

    def reset_after_fork(self) -> None:
        """Start over in a child process, since its parent goes on to use the connections."""
        self._connectors.reset_after_fork()
        for connections in self._by_origin.values():
            connections.abandon()


class AsyncHttpTransport:
    """Sends requests over HTTP within any number of event loops; see ``HttpTransport``."""

    def __init__(self) -> None:
        guard_loggers()
        self._connectors = ClientPool(async_connector)
        self._loops = PerLoop(_LoopConnections, _LoopConnections.abandon)
        _transports.add(self)

    async def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``nimbus_sdk.transport.driver.AsyncTransport``."""
        reader = ResponseReader(request, deadline)
        own = self._loops.get()
        try:
            async with own.slot(reader.limits):
                await self._exchange(request, reader, own)
        except (*HTTP_ERRORS, NimbusConnectionError) as error:
            failure = reader.failure(error)
        except NimbusError as error:
            raise error.with_traceback(None)  # noqa: B904
        except BaseException as error:  # noqa: BLE001
            if not is_socks_error(error):
                raise strip_tracebacks(error)  # noqa: B904
            failure = reader.failure(error)
        else:
            return reader.response()
        raise failure

    async def _exchange(self, request: Request, reader: ResponseReader, own: _LoopConnections) -> None:
        encoded = encode_request(request, reader.limits)
        place = origin(request.url)
        if (connections := own.by_origin.get(place)) is None:
            # The system's list of exceptions may ask a name server.
            connect = await run_in_thread(lambda: self._connectors.for_url(request.url))
            connections = own.by_origin.setdefault(place, Connections(connect))
        reader.connection = connection = connections.take(encoded.url.origin)
        try:
            answer = await connection.core.handle_async_request(encoded)
            try:
                reader.begin(answer)
                async for chunk in answer.aiter_stream():
                    reader.append(chunk)
                reader.end()
            finally:
                await answer.aclose()
        finally:
            connections.give_back(connection)

    async def aclose(self) -> None:
        """Close all connections; one that is in use is closed when its request has ended."""
        self._loops.drop_ended()
        for own in self._loops.values():
            own.close()

    def reset_after_fork(self) -> None:
        """Start over in a child process; see ``HttpTransport.reset_after_fork``."""
        self._connectors.reset_after_fork()
        for own in self._loops.values():
            own.abandon()


def load_anyio() -> None:
    """Load what httpcore needs of anyio, which loads its modules at their first use in an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # asyncio.run would not do: programs that nest loops replace it.
        loop = asyncio.new_event_loop()
        loop.run_until_complete(_use_anyio())
        loop.close()


async def _use_anyio() -> None:
    async with anyio.Lock():
        with anyio.CancelScope(shield=True):
            anyio.Event().set()


class _LoopConnections:
    """The connections of one event loop, and a limit on their number."""

    def __init__(self) -> None:
        self.by_origin: dict[str, Connections[httpcore.AsyncConnectionInterface]] = {}
        self._slots = asyncio.Semaphore(MOST_CONNECTIONS)

    @asynccontextmanager
    async def slot(self, limits: ExchangeLimits) -> AsyncIterator[None]:
        """Wait until there are few enough connections."""
        if self._slots.locked():
            try:
                async with asyncio.timeout(limits.remaining()):
                    await self._slots.acquire()
            except TimeoutError as error:
                raise httpcore.PoolTimeout from error
        else:
            await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close all connections; see ``Connections.close``."""
        for connections in self.by_origin.values():
            connections.close()

    def abandon(self) -> None:
        """Close all connections of a loop that has ended; see ``Connections.abandon``."""
        for connections in self.by_origin.values():
            connections.abandon()


_transports: WeakSet[HttpTransport | AsyncHttpTransport] = WeakSet()


def _reset_after_fork() -> None:
    for transport in list(_transports):
        transport.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
