"""The one door to httpx: a request goes out, an answer comes in, both bounded in size and time."""

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
from nimbus_sdk.errors import ConfigurationError, NimbusError, NimbusTimeoutError, ResponseFormatError
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.dns import count_addresses
from nimbus_sdk.transport.flow import BODY_LIMIT, Request, Response
from nimbus_sdk.transport.proxies import ClientPool
from nimbus_sdk.transport.redaction import guard_loggers, sanitize, strip_tracebacks
from nimbus_sdk.transport.retry import parse_http_date
from nimbus_sdk.transport.status import from_exception
from nimbus_sdk.transport.threads import TimeLimitError, run_with_timeout
from nimbus_sdk.transport.tls import tls_context

T = TypeVar("T")
CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
ID_LIMIT = 128
NO_CLOCK_SECONDS = 4e9
"""More than a century: a date so far away tells no time, and does not fit beside ours."""
_PLATFORM = f"{platform.system()} {platform.machine()}"
USER_AGENT = f"nimbusbci-sdk/{__version__} Python/{platform.python_version()} ({_PLATFORM})"
_log = logging.getLogger("nimbus_sdk.transport")


class Transport(Protocol):
    """Carries one request; hand in your own to test a program without a server."""

    def send(self, call: Request, deadline: Deadline) -> Response:
        """Send once and give what came back, whatever its status.

        Raises:
            NimbusConnectionError: Nothing, or nothing whole, came back.
        """
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class AsyncTransport(Protocol):
    """The awaitable twin of :class:`Transport`."""

    async def send(self, call: Request, deadline: Deadline) -> Response:
        """Send once and give what came back, whatever its status."""
        ...

    async def aclose(self) -> None:
        """Give connections back."""
        ...


class HttpTransport:
    """Carries requests over HTTP; connections are kept for the next request."""

    def __init__(self) -> None:
        guard_loggers()
        context = tls_context()
        # httpx must not read the environment: it breaks off over some entries of NO_PROXY.
        self._ways = ClientPool(
            lambda proxy: httpx.Client(verify=context, follow_redirects=False, proxy=proxy, trust_env=False)
        )

    def send(self, call: Request, deadline: Deadline) -> Response:
        """Send once; see :class:`Transport`."""

        def head() -> httpx.Response:
            return self._head(call, deadline)

        # httpx counts from byte to byte only: an answer that drips would outlast any timeout. A sink is fed
        # in the caller's own thread and looks at the time itself: a job that is overdue must touch nothing.
        if call.sink is None:
            return _on_time(call, deadline, lambda: self._exchange(call, deadline, head))
        return self._exchange(call, deadline, lambda: _on_time(call, deadline, head))

    def _head(self, call: Request, deadline: Deadline) -> httpx.Response:
        addresses = count_addresses(call.url, _seconds(deadline, CONNECT_SECONDS))
        # Each address of a host is tried in turn, each with the whole timeout.
        connect = CONNECT_SECONDS / addresses
        client = self._ways.to(call.url)
        return client.send(_request(client, call, deadline, connect), stream=True)

    def _exchange(self, call: Request, deadline: Deadline, head: Callable[[], httpx.Response]) -> Response:
        reception = _Reception(call, deadline)
        try:
            response = head()
            try:
                reception.take(response)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fault = from_exception(call, error)
        except NimbusError as error:
            # The frames below hold a piece of the body, those of httpx the request; both may hold a secret.
            raise error.with_traceback(None)  # noqa: B904
        except BaseException as error:  # noqa: BLE001
            raise strip_tracebacks(error)  # noqa: B904
        else:
            return reception.answer()
        # Raised here and not in the handler, so that no httpx object with its headers hangs on the error.
        raise fault

    def close(self) -> None:
        """Close all connections."""
        for client in self._ways:
            client.close()


class AsyncHttpTransport:
    """Carries requests over HTTP for an event loop; see :class:`HttpTransport`."""

    def __init__(self) -> None:
        guard_loggers()
        context = tls_context()
        self._ways = ClientPool(
            lambda proxy: httpx.AsyncClient(
                verify=context, follow_redirects=False, proxy=proxy, trust_env=False
            )
        )

    async def send(self, call: Request, deadline: Deadline) -> Response:
        """Send once; see :class:`AsyncTransport`."""
        try:
            with anyio.fail_after(_seconds(deadline, inf)):
                return await self._exchange(call, deadline)
        except TimeoutError:
            fault = _too_slow(call)
        raise fault

    async def _exchange(self, call: Request, deadline: Deadline) -> Response:
        client = await anyio.to_thread.run_sync(self._way, call, deadline)
        reception = _Reception(call, deadline)
        try:
            response = await client.send(_request(client, call, deadline, CONNECT_SECONDS), stream=True)
            try:
                await reception.take_async(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fault: NimbusError = from_exception(call, error)
        except NimbusError as error:
            raise error.with_traceback(None)  # noqa: B904
        except BaseException as error:  # noqa: BLE001
            raise strip_tracebacks(error)  # noqa: B904
        else:
            return reception.answer()
        raise fault

    def _way(self, call: Request, deadline: Deadline) -> httpx.AsyncClient:
        # Both may ask a name server, which would hold up the event loop.
        count_addresses(call.url, _seconds(deadline, CONNECT_SECONDS))
        return self._ways.to(call.url)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._ways:
            await client.aclose()


class _Reception:
    """Takes an answer in, piece by piece, within its bounds."""

    def __init__(self, call: Request, deadline: Deadline) -> None:
        self._call = call
        self._deadline = deadline
        self._started = time.monotonic()
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._sink = call.sink

    def head(self, response: httpx.Response) -> None:
        self._status = response.status_code
        self._headers = {name.lower(): value for name, value in response.headers.items()}
        if self._headers.get("content-encoding", "identity").lower() != "identity":
            raise ResponseFormatError(
                f"{self._host} sent {self._call.name} compressed, which was not asked for."
            )
        if self._sink is not None and self._status in (200, 206):
            self._sink.begin(self._status, self._headers)
        else:
            self._sink = None

    def take(self, response: httpx.Response) -> None:
        self.head(response)
        for chunk in response.iter_raw():
            self.body(chunk)

    async def take_async(self, response: httpx.Response) -> None:
        self.head(response)
        async for chunk in response.aiter_raw():
            self.body(chunk)

    def body(self, chunk: bytes) -> None:
        if not self._deadline.remaining():
            raise _too_slow(self._call)
        self._size += len(chunk)
        if self._sink is not None:
            self._sink.write(chunk)
        elif self._size > BODY_LIMIT:
            raise ResponseFormatError(
                f"{self._host} answered {self._call.name} with more than {BODY_LIMIT} bytes."
            )
        else:
            self._pieces.append(chunk)

    def answer(self) -> Response:
        told_id = sanitize(self._headers.get("x-request-id", ""), self._call.hidden, limit=ID_LIMIT)
        answer = Response(
            status=self._status,
            headers=self._headers,
            body=b"".join(self._pieces),
            request_id=told_id or self._call.headers.get("X-Request-ID"),
            clock_offset=_clock_offset(self._headers.get("date", "")),
        )
        seconds = time.monotonic() - self._started
        _log.debug("%s: status %d, %d bytes, %.3f s", self._call.name, self._status, self._size, seconds)
        return answer

    @property
    def _host(self) -> str:
        return urlsplit(self._call.url).netloc


def _request(
    client: httpx.Client | httpx.AsyncClient, call: Request, deadline: Deadline, connect: float
) -> httpx.Request:
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **call.headers,
        **(call.sink.request_headers() if call.sink is not None else {}),
        **(call.auth.headers(call.url) if call.auth is not None else {}),
    }
    try:
        return client.build_request(
            call.method,
            call.url,
            params={name: value for name, value in call.params.items() if value is not None} or None,
            json=call.json,
            headers=headers,
            timeout=httpx.Timeout(_seconds(deadline, READ_SECONDS), connect=_seconds(deadline, connect)),
        )
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(error).__name__
    del headers
    # Raised here and not in the handler: the error of an encoder holds the whole body, with the key in it.
    raise ConfigurationError(
        f"What {call.name} was given cannot be sent as JSON or in a URL ({kind}).",
        hint="Give text, finite numbers, true, false, None, and lists and dicts of these.",
    )


def _clock_offset(date: str) -> float | None:
    told = parse_http_date(date)
    offset = None if told is None else told.timestamp() - time.time()
    return offset if offset is not None and abs(offset) < NO_CLOCK_SECONDS else None


def _on_time(call: Request, deadline: Deadline, job: Callable[[], T]) -> T:
    try:
        return run_with_timeout(job, _seconds(deadline, inf))
    except TimeLimitError:
        fault = _too_slow(call)
    raise fault


def _too_slow(call: Request) -> NimbusTimeoutError:
    return NimbusTimeoutError(f"{urlsplit(call.url).netloc} answered {call.name} too slowly.")


def _seconds(deadline: Deadline, most: float) -> float:
    return max(0.05, min(most, deadline.remaining()))
