"""Sends requests over HTTP with httpx and httpcore, limited in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing

import anyio
import httpcore

from nimbus_sdk.config.settings import origin
from nimbus_sdk.transport.connections import Connections, async_connector, connector
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.encoding import encode_request
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.network import ExchangeLimits
from nimbus_sdk.transport.proxies import Proxies
from nimbus_sdk.transport.redaction import guard_loggers
from nimbus_sdk.transport.response_reader import ResponseReader
from nimbus_sdk.transport.threads import PerLoop, run_in_thread

MOST_CONNECTIONS = 100
"""Connections of an event loop; further requests wait for one."""

_AsyncConnections = Connections[httpcore.AsyncConnectionInterface]


class HttpTransport:
    """Sends requests over HTTP; connections stay open for the next request, of any thread."""

    def __init__(self) -> None:
        guard_loggers()
        self._proxies = Proxies.detect()
        self._connections = Connections[httpcore.ConnectionInterface]()

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``nimbus_sdk.transport.driver.Transport``."""
        with ResponseReader(request, deadline) as reader:
            self._exchange(request, reader)
        return reader.response()

    def _exchange(self, request: Request, reader: ResponseReader) -> None:
        encoded = encode_request(request, reader.limits)
        place, connectors = origin(request.url), self._connections.connectors
        if place not in connectors:
            connectors[place] = connector(*self._proxies.find_way(request.url))
        with self._connections.use(place, encoded.url.origin) as connection:
            reader.connection = connection
            with closing(connection.core.handle_request(encoded)) as answer:
                reader.begin(answer)
                for chunk in answer.iter_stream():
                    reader.append(chunk)
                reader.end()

    def close(self) -> None:
        """Close all connections; see ``Connections.close``."""
        self._connections.close()


class AsyncHttpTransport:
    """Sends requests over HTTP within any number of event loops; see ``HttpTransport``."""

    def __init__(self) -> None:
        guard_loggers()
        self._proxies = Proxies.detect()
        self._slots = PerLoop(lambda: asyncio.Semaphore(MOST_CONNECTIONS))
        self._connections = PerLoop(_AsyncConnections, _AsyncConnections.abandon)

    async def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``nimbus_sdk.transport.driver.AsyncTransport``."""
        with ResponseReader(request, deadline) as reader:
            async with _slot(self._slots.get(), reader.limits):
                await self._exchange(request, reader)
        return reader.response()

    async def _exchange(self, request: Request, reader: ResponseReader) -> None:
        encoded = encode_request(request, reader.limits)
        connections = self._connections.get()
        place, connectors = origin(request.url), connections.connectors
        if place not in connectors:
            # The system's list of exceptions may ask a name server.
            way = await run_in_thread(lambda: async_connector(*self._proxies.find_way(request.url)))
            connectors.setdefault(place, way)
        with connections.use(place, encoded.url.origin) as connection:
            reader.connection = connection
            async with aclosing(await connection.core.handle_async_request(encoded)) as answer:
                reader.begin(answer)
                async for chunk in answer.aiter_stream():
                    reader.append(chunk)
                reader.end()

    async def aclose(self) -> None:
        """Close all connections; see ``Connections.close``."""
        self._connections.drop_ended()
        for connections in self._connections.values():
            connections.close()


@asynccontextmanager
async def _slot(slots: asyncio.Semaphore, limits: ExchangeLimits) -> AsyncIterator[None]:
    """Wait until there are few enough connections."""
    if slots.locked():
        try:
            async with asyncio.timeout(limits.remaining()):
                await slots.acquire()
        except TimeoutError as error:
            raise httpcore.PoolTimeout from error
    else:
        await slots.acquire()
    try:
        yield
    finally:
        slots.release()


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
