"""Sends requests over HTTP, limited in size and time: httpx encodes them, httpcore connects."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from functools import lru_cache

import anyio
import httpcore
import httpx

from nimbus_sdk._version import __version__
from nimbus_sdk.config.settings import origin
from nimbus_sdk.config.urls import split_url
from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError
from nimbus_sdk.transport.connection_pool import ConnectionPool, async_connector, connector
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.network import ExchangeLimits
from nimbus_sdk.transport.proxies import Proxies
from nimbus_sdk.transport.redaction import guard_loggers
from nimbus_sdk.transport.response_reader import ResponseReader
from nimbus_sdk.transport.threads import PerLoop, run_in_thread

_PLATFORM = f"{platform.system()} {platform.machine()}"
USER_AGENT = f"nimbusbci-sdk/{__version__} Python/{platform.python_version()} ({_PLATFORM})"
MOST_CONNECTIONS = 100
"""Connections of an event loop; further requests wait for one."""

_AsyncConnectionPool = ConnectionPool[httpcore.AsyncConnectionInterface]


class HttpTransport:
    """Sends requests over HTTP; connections stay open for the next request, of any thread."""

    def __init__(self) -> None:
        guard_loggers()
        self._proxies = Proxies.detect()
        self._connections = ConnectionPool[httpcore.ConnectionInterface]()

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
        reader.connection = connection = self._connections.take(place, encoded.url.origin)
        try:
            with closing(connection.core.handle_request(encoded)) as answer:
                reader.begin(answer)
                for chunk in answer.iter_stream():
                    reader.append(chunk)
                reader.end()
        finally:
            self._connections.give_back(place, connection)

    def close(self) -> None:
        """Close all connections; see ``ConnectionPool.close``."""
        self._connections.close()


class AsyncHttpTransport:
    """Sends requests over HTTP within any number of event loops; see ``HttpTransport``."""

    def __init__(self) -> None:
        guard_loggers()
        self._proxies = Proxies.detect()
        self._slots = PerLoop(lambda: asyncio.Semaphore(MOST_CONNECTIONS))
        self._connections = PerLoop(_AsyncConnectionPool, _AsyncConnectionPool.abandon)

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
        reader.connection = connection = connections.take(place, encoded.url.origin)
        try:
            async with aclosing(await connection.core.handle_async_request(encoded)) as answer:
                reader.begin(answer)
                async for chunk in answer.aiter_stream():
                    reader.append(chunk)
                reader.end()
        finally:
            connections.give_back(place, connection)

    async def aclose(self) -> None:
        """Close all connections; see ``ConnectionPool.close``."""
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


def encode_request(request: Request, limits: ExchangeLimits) -> httpcore.Request:
    """Return a request for a connection of httpcore, unless its arguments or its URL cannot be sent."""
    failure: ConfigurationError | NimbusConnectionError
    try:
        encoded = _encode(request)
    except httpx.InvalidURL:
        failure = _invalid_url(request)
    except (TypeError, ValueError, RecursionError) as error:
        failure = ConfigurationError(
            f"The arguments of {request.name} cannot be sent as JSON or in a URL ({type(error).__name__}).",
            hint="Give text, finite numbers, true, false, None, and lists and dicts of these.",
        )
    else:
        url = encoded.url
        if url.scheme in ("http", "https") and url.host:
            target = httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
            times = dict.fromkeys(("connect", "read", "write"), limits)
            return httpcore.Request(
                encoded.method,
                target,
                headers=encoded.headers.raw,
                content=encoded.content,
                extensions={"timeout": times},
            )
        failure = _invalid_url(request)
    # Raised here and not in a handler: the error of an encoder contains the whole body, with the key in it.
    raise failure


def _encode(request: Request) -> httpx.Request:
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **request.headers,
        **(request.sink.request_headers() if request.sink is not None else {}),
        **(request.auth.headers(request.url) if request.auth is not None else {}),
    }
    if not _is_clear(request.url.partition("?")[0]):
        raise httpx.InvalidURL("host and port are not clear")
    params = {name: value for name, value in request.params.items() if value is not None}
    # A URL with a query may be signed, and no signature is kept.
    url = httpx.URL(request.url) if "?" in request.url else _parse(request.url)
    return httpx.Request(request.method, url, params=params or None, json=request.json, headers=headers)


@lru_cache(maxsize=64)
def _is_clear(url: str) -> bool:
    try:
        split_url(url)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def _parse(url: str) -> httpx.URL:
    return httpx.URL(url)


def _invalid_url(request: Request) -> NimbusConnectionError:
    return NimbusConnectionError(
        f"The request {request.name!r} cannot be sent (not a valid URL, or too long).",
        passing=False,
        sent=False,
    )
