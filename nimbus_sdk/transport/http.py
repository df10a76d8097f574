"""Sends requests over HTTP with httpx, limited in size and time."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from nimbus_sdk._version import __version__
from nimbus_sdk.display.waiting import TimeLimitError, run_with_timeout
from nimbus_sdk.errors import ConfigurationError, NimbusError, NimbusTimeoutError, ResponseFormatError
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.dns import count_addresses
from nimbus_sdk.transport.flow import BODY_LIMIT, Request, Response
from nimbus_sdk.transport.proxies import ClientPool
from nimbus_sdk.transport.redaction import guard_loggers, sanitize, strip_tracebacks
from nimbus_sdk.transport.retry import parse_http_date, seconds_for_outage
from nimbus_sdk.transport.status import from_exception

T = TypeVar("T")
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 15.0
_MAX_ID_LENGTH = 128
_MAX_CLOCK_OFFSET = 4e9
"""More than a century: a ``Date`` that far from our clock is ignored."""
_PLATFORM = f"{platform.system()} {platform.machine()}"
USER_AGENT = f"nimbusbci-sdk/{__version__} Python/{platform.python_version()} ({_PLATFORM})"
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
    """Sends requests over HTTP; connections stay open for the next request."""

    def __init__(self) -> None:
        guard_loggers()
        # httpx must not read the environment: it fails on some entries of NO_PROXY.
        self._clients = ClientPool(
            lambda context, proxy: httpx.Client(
                verify=context, follow_redirects=False, proxy=proxy, trust_env=False
            )
        )

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``Transport``."""

        def open_stream() -> httpx.Response:
            return self._open_stream(request, deadline)

        # The timeouts of httpx count from byte to byte, so a response that drips could take for ever. A sink
        # is written to in this thread, which checks the deadline: an abandoned thread must write nothing.
        if request.sink is None:
            return _on_time(request, deadline, lambda: self._exchange(request, deadline, open_stream))
        return self._exchange(request, deadline, lambda: _on_time(request, deadline, open_stream))

    def _open_stream(self, request: Request, deadline: Deadline) -> httpx.Response:
        addresses = count_addresses(request.url, _seconds(deadline, CONNECT_SECONDS))
        # httpx tries each address of a host in turn, each with the whole timeout.
        connect = CONNECT_SECONDS / addresses
        client = self._clients.for_url(request.url)
        return client.send(_build(client, request, deadline, connect), stream=True)

    def _exchange(
        self, request: Request, deadline: Deadline, open_stream: Callable[[], httpx.Response]
    ) -> Response:
        reader = _ResponseReader(request, deadline)
        try:
            stream = open_stream()
            try:
                reader.read(stream)
            finally:
                stream.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = from_exception(request, error)
        except NimbusError as error:
            # The frames below may contain secrets: a piece of the body, or the request of httpx.
            raise error.with_traceback(None)  # noqa: B904
        except BaseException as error:  # noqa: BLE001
            raise strip_tracebacks(error)  # noqa: B904
        else:
            return reader.response()
        # Raised here and not in the handler, so that the error refers to no httpx object with its headers.
        raise failure

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()


class AsyncHttpTransport:
    """Sends requests over HTTP within an event loop; see ``HttpTransport``."""

    def __init__(self) -> None:
        guard_loggers()
        self._clients = ClientPool(
            lambda context, proxy: httpx.AsyncClient(
                verify=context, follow_redirects=False, proxy=proxy, trust_env=False
            )
        )

    async def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once; see ``AsyncTransport``."""
        try:
            with anyio.fail_after(_seconds(deadline, inf)) as scope:
                return await self._exchange(request, deadline, scope)
        except TimeoutError:
            failure = _too_slow(request)
        raise failure

    async def _exchange(self, request: Request, deadline: Deadline, scope: anyio.CancelScope) -> Response:
        client = await anyio.to_thread.run_sync(self._client, request, deadline)
        reader = _ResponseReader(request, deadline)
        try:
            stream = await client.send(_build(client, request, deadline, CONNECT_SECONDS), stream=True)
            if request.sink is not None:
                # Progress moves the deadline, which is checked with every chunk.
                scope.deadline = inf
            try:
                await reader.read_async(stream)
            finally:
                await stream.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure: NimbusError = from_exception(request, error)
        except NimbusError as error:
            raise error.with_traceback(None)  # noqa: B904
        except BaseException as error:  # noqa: BLE001
            raise strip_tracebacks(error)  # noqa: B904
        else:
            return reader.response()
        raise failure

    def _client(self, request: Request, deadline: Deadline) -> httpx.AsyncClient:
        # Both calls may ask a name server, which would block the event loop.
        count_addresses(request.url, _seconds(deadline, CONNECT_SECONDS))
        return self._clients.for_url(request.url)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.aclose()


class _ResponseReader:
    """Reads a response within the limits of size and time, into memory or into the sink of the request."""

    def __init__(self, request: Request, deadline: Deadline) -> None:
        self._request = request
        self._deadline = deadline
        self._started = time.monotonic()
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._sink = request.sink
        self._progress = 0 if request.sink is None else request.sink.progress

    def read(self, stream: httpx.Response) -> None:
        self._begin(stream)
        for chunk in stream.iter_raw():
            self._append(chunk)

    async def read_async(self, stream: httpx.Response) -> None:
        self._begin(stream)
        async for chunk in stream.aiter_raw():
            self._append(chunk)

    def _begin(self, stream: httpx.Response) -> None:
        self._status = stream.status_code
        self._headers = {name.lower(): value for name, value in stream.headers.items()}
        if self._headers.get("content-encoding", "identity").lower() != "identity":
            raise ResponseFormatError(
                f"{self._host} sent {self._request.name} compressed, which was not asked for."
            )
        if self._sink is not None and self._status in (200, 206):
            self._sink.begin(self._status, self._headers)
        else:
            self._sink = None

    def _append(self, chunk: bytes) -> None:
        if not self._deadline.remaining():
            raise _too_slow(self._request)
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

    def response(self) -> Response:
        request_id = sanitize(
            self._headers.get("x-request-id", ""), self._request.maskable, limit=_MAX_ID_LENGTH
        )
        seconds = time.monotonic() - self._started
        _log.debug("%s: status %d, %d bytes, %.3f s", self._request.name, self._status, self._size, seconds)
        return Response(
            status=self._status,
            headers=self._headers,
            body=b"".join(self._chunks),
            request_id=request_id or self._request.headers.get("X-Request-ID"),
            clock_offset=_clock_offset(self._headers.get("date", "")),
        )

    @property
    def _host(self) -> str:
        return urlsplit(self._request.url).netloc


def _build(
    client: httpx.Client | httpx.AsyncClient, request: Request, deadline: Deadline, connect: float
) -> httpx.Request:
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **request.headers,
        **(request.sink.request_headers() if request.sink is not None else {}),
        **(request.auth.headers(request.url) if request.auth is not None else {}),
    }
    silence = request.silence or max(SILENCE_SECONDS, deadline.remaining() / 2)
    try:
        return client.build_request(
            request.method,
            request.url,
            params={name: value for name, value in request.params.items() if value is not None} or None,
            json=request.json,
            headers=headers,
            timeout=httpx.Timeout(_seconds(deadline, silence), connect=_seconds(deadline, connect)),
        )
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(error).__name__
    del headers
    # Raised here and not in the handler: the error of an encoder contains the whole body, with the key in it.
    raise ConfigurationError(
        f"The arguments of {request.name} cannot be sent as JSON or in a URL ({kind}).",
        hint="Give text, finite numbers, true, false, None, and lists and dicts of these.",
    )


def _clock_offset(date: str) -> float | None:
    server_time = parse_http_date(date)
    offset = None if server_time is None else server_time.timestamp() - time.time()
    return offset if offset is not None and abs(offset) < _MAX_CLOCK_OFFSET else None


def _on_time(request: Request, deadline: Deadline, job: Callable[[], T]) -> T:
    try:
        return run_with_timeout(job, _seconds(deadline, inf))
    except TimeLimitError:
        failure = _too_slow(request)
    raise failure


def _too_slow(request: Request) -> NimbusTimeoutError:
    return NimbusTimeoutError(f"{urlsplit(request.url).netloc} answered {request.name} too slowly.")


def _seconds(deadline: Deadline, at_most: float) -> float:
    return max(0.05, min(at_most, deadline.remaining()))
