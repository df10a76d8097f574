"""Sends requests over HTTP with httpcore, limited in size and time."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit
from weakref import WeakSet

import httpcore

from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import NimbusConnectionError, NimbusError, NimbusTimeoutError, ResponseFormatError
from nimbus_sdk.transport.connections import Connection, Connections, async_connector, connector
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.encoding import encode_request
from nimbus_sdk.transport.failures import from_exception, is_socks_error
from nimbus_sdk.transport.flow import BODY_LIMIT, Request, Response
from nimbus_sdk.transport.network import ExchangeLimits
from nimbus_sdk.transport.proxies import ClientPool
from nimbus_sdk.transport.redaction import guard_loggers, sanitize, strip_tracebacks
from nimbus_sdk.transport.retry import parse_http_date, seconds_for_outage
from nimbus_sdk.transport.threads import PerLoop, run_in_thread

SILENCE_SECONDS = 15.0
"""How long a service may send nothing, unless the request says so or its timeout is long."""

MOST_CONNECTIONS = 100
"""Connections of an event loop; further requests wait for one."""

HTTP_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)
_AnyConnection: TypeAlias = (
    Connection[httpcore.ConnectionInterface] | Connection[httpcore.AsyncConnectionInterface]
)
_MAX_ID_LENGTH = 128
_MAX_CLOCK_OFFSET = 4e9
"""More than a century: a ``Date`` that far from our clock is ignored."""
_log = logging.getLogger("nimbus_sdk.transport")


class Transport(Protocol):
    """Sends one request. Pass your own to test a program without a server."""

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once, and return the response whatever its status.

        Raises:
            NimbusConnectionError: No response, or an incomplete one.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class AsyncTransport(Protocol):
    """The awaitable counterpart of ``Transport``."""

    async def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once, and return the response whatever its status."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class HttpTransport:
    """Sends requests over HTTP; connections stay open for the next request, of any thread."""

    def __init__(self) -> None:
        guard_loggers()
        self._connectors = ClientPool(connector)
        self._by_origin: dict[str, Connections[httpcore.ConnectionInterface]] = {}
        _transports.add(self)

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``Transport``."""
        reader = _ResponseReader(request, deadline)
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

    def _exchange(self, request: Request, reader: _ResponseReader) -> None:
        encoded = encode_request(request, reader.limits)
        connections = self._connections(request.url)
        reader.connection = connection = connections.take(encoded.url.origin)
        try:
            answer = connection.core.handle_request(encoded)
            try:
                reader.begin(answer)
                for chunk in answer.iter_stream():
                    reader.append(chunk)
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
        """Begin anew in a child process, since its parent goes on to use the connections."""
        self._connectors.reset_after_fork()
        for connections in self._by_origin.values():
            connections.reset_after_fork()


class AsyncHttpTransport:
    """Sends requests over HTTP within any number of event loops; see ``HttpTransport``."""

    def __init__(self) -> None:
        guard_loggers()
        self._connectors = ClientPool(async_connector)
        self._loops = PerLoop(_LoopConnections, _LoopConnections.close)
        _transports.add(self)

    async def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``AsyncTransport``."""
        reader = _ResponseReader(request, deadline)
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

    async def _exchange(self, request: Request, reader: _ResponseReader, own: _LoopConnections) -> None:
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
            finally:
                await answer.aclose()
        finally:
            connections.give_back(connection)

    async def aclose(self) -> None:
        """Close all connections."""
        self._loops.clear()

    def reset_after_fork(self) -> None:
        """Begin anew in a child process; see ``HttpTransport.reset_after_fork``."""
        self._connectors.reset_after_fork()
        self._loops.clear()


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
        """Close all connections, from any thread: those of a loop are used by its own thread alone."""
        for connections in self.by_origin.values():
            connections.close()


class _ResponseReader:
    """Reads a response within the limits of size and time, into memory or into the sink of the request."""

    def __init__(self, request: Request, deadline: Deadline) -> None:
        # Half of a long timeout, so that another try is left.
        silence = request.silence or max(SILENCE_SECONDS, deadline.remaining() / 2)
        self.limits = ExchangeLimits(deadline, silence)
        self.connection: _AnyConnection | None = None
        self._request = request
        self._deadline = deadline
        self._started = time.monotonic()
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._sink = request.sink
        self._progress = 0 if request.sink is None else request.sink.progress

    def begin(self, answer: httpcore.Response) -> None:
        """Read the head."""
        self.limits.begin_body()
        self._status = answer.status
        self._headers = _decode_headers(answer.headers)
        if self._headers.get("content-encoding", "identity").lower() != "identity":
            raise ResponseFormatError(
                f"{self._host} sent {self._request.name} compressed, which was not asked for."
            )
        if self._sink is not None and self._status in (200, 206):
            self._sink.begin(self._status, self._headers)
        else:
            self._sink = None

    def append(self, chunk: bytes) -> None:
        """Read the next bytes of the body."""
        self._size += len(chunk)
        if self._sink is not None:
            self._sink.write(chunk)
            if self._sink.progress > self._progress:
                self._progress = self._sink.progress
                self._deadline.keep(seconds_for_outage(self._request.silence or SILENCE_SECONDS))
        elif self._size > BODY_LIMIT:
            raise ResponseFormatError(
                f"{self._host} answered {self._request.name} with more than {BODY_LIMIT} bytes."
            )
        else:
            self._chunks.append(chunk)

    def failure(self, error: BaseException) -> NimbusError:
        """Return the error for an exchange that failed."""
        proxy = None if self.connection is None else self.connection.unpassed_proxy
        if proxy is None and isinstance(error, httpcore.ReadTimeout) and not self._deadline.remaining():
            return NimbusTimeoutError(f"{self._host} answered {self._request.name} too slowly.")
        return from_exception(self._request, error, proxy).with_traceback(None)

    def response(self) -> Response:
        """Return the response, which has ended."""
        request_id = self._headers.get("x-request-id")
        if request_id:
            request_id = sanitize(request_id, self._request.maskable, limit=_MAX_ID_LENGTH)
        if _log.isEnabledFor(logging.DEBUG):
            self._log()
        return Response(
            status=self._status,
            headers=self._headers,
            body=b"".join(self._chunks),
            request_id=request_id or self._request.headers.get("X-Request-ID"),
            clock_offset=_clock_offset(self._headers.get("date", "")),
        )

    def _log(self) -> None:
        # Neither path nor query: they may name a patient, or be signed.
        asked = f"{self._request.method} {origin(self._request.url)} ({self._request.name})"
        seconds = time.monotonic() - self._started
        _log.debug("%s: status %d, %d bytes, %.3f s", asked, self._status, self._size, seconds)

    @property
    def _host(self) -> str:
        return urlsplit(self._request.url).netloc


def _decode_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _clock_offset(date: str) -> float | None:
    server_time = parse_http_date(date)
    offset = None if server_time is None else server_time.timestamp() - time.time()
    return offset if offset is not None and abs(offset) < _MAX_CLOCK_OFFSET else None


_transports: WeakSet[HttpTransport | AsyncHttpTransport] = WeakSet()


def _reset_after_fork() -> None:
    for transport in list(_transports):
        transport.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
