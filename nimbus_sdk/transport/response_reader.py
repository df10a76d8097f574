"""Reads a response within the limits of size and time."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Mapping
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

import httpcore

from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import NimbusConnectionError, NimbusError, NimbusTimeoutError, ResponseFormatError
from nimbus_sdk.transport.connection_errors import from_exception, is_socks_error
from nimbus_sdk.transport.connection_pool import Connection
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import BODY_LIMIT, Request, Response
from nimbus_sdk.transport.network import ExchangeLimits
from nimbus_sdk.transport.proxies import Route
from nimbus_sdk.transport.redaction import sanitize, strip_tracebacks
from nimbus_sdk.transport.retry import parse_http_date, seconds_for_outage

SILENCE_SECONDS = 15.0
"""How long a service may send nothing, unless the request says so or its timeout is long."""

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
_PLAIN_CODINGS = frozenset({"", "identity", "none", "aws-chunked"})
"""How storage hosts say that a body is as it is, beside the one way of RFC 9110: no header."""

_COMPRESSIONS = frozenset({"gzip", "x-gzip", "deflate"})
_MAX_ID_LENGTH = 128
_MAX_CLOCK_OFFSET = 4e9
"""More than a century: a ``Date`` that far from our clock is ignored."""
_log = logging.getLogger("nimbus_sdk.transport")


class ResponseReader:
    """Reads a response within the limits of size and time, into memory or into the sink of the request."""

    def __init__(self, request: Request, deadline: Deadline) -> None:
        # Half of a long timeout, so that another attempt is left.
        silence = request.silence or max(SILENCE_SECONDS, deadline.remaining() / 2)
        self.limits = ExchangeLimits(deadline, silence)
        self.connection: _AnyConnection | None = None
        self._request = request
        self._deadline = deadline
        self._started = time.monotonic()
        self._error: BaseException | None = None
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._inflate: zlib._Decompress | None = None
        self._inflated = 0
        self._sink = request.sink
        self._progress = 0 if request.sink is None else request.sink.progress

    def begin(self, answer: httpcore.Response) -> None:
        """Read the head."""
        self.limits.begin_body()
        self._status = answer.status
        self._headers = _decode_headers(answer.headers)
        if self._status not in (200, 206):
            self._sink = None
        codings = [coding.strip().lower() for coding in self._headers.get("content-encoding", "").split(",")]
        compression = ", ".join(coding for coding in codings if coding not in _PLAIN_CODINGS)
        if compression and (self._sink is not None or compression not in _COMPRESSIONS):
            shown = sanitize(compression, self._request.maskable, limit=40)
            raise ResponseFormatError(
                f"{self._host} sent {self._request.name} compressed ({shown}), which was not asked for."
            )
        if compression:
            # gzip or zlib, by what the body begins with.
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        if self._sink is not None:
            self._sink.begin(self._status, self._headers)

    def append(self, chunk: bytes) -> None:
        """Read the next bytes of the body."""
        self._size += len(chunk)
        if self._sink is not None:
            self._sink.write(chunk)
            if self._sink.progress > self._progress:
                self._progress = self._sink.progress
                self._deadline.extend_to(seconds_for_outage(self._request.silence or SILENCE_SECONDS))
        else:
            self._chunks.append(chunk if self._inflate is None else self._unpack(chunk, self._inflate))
            if max(self._size, self._inflated) > BODY_LIMIT:
                raise ResponseFormatError(
                    f"{self._host} answered {self._request.name} with more than {BODY_LIMIT} bytes."
                )

    def end(self) -> None:
        """Note that the body has ended."""
        if self._inflate is not None and self._size and not self._inflate.eof:
            raise self._damaged()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> Literal[True]:
        """Leave the error of an exchange to ``response``, without the frames in which there are secrets."""
        if error is not None:
            is_of_http = isinstance(error, (*HTTP_ERRORS, NimbusConnectionError)) or is_socks_error(error)
            self._error = strip_tracebacks(self._failure(error) if is_of_http else error)
        return True

    def _failure(self, error: BaseException) -> NimbusError:
        """Return the error for an exchange that failed."""
        route = Route() if self.connection is None else self.connection.route
        if route.is_past and isinstance(error, httpcore.ReadTimeout) and not self._deadline.remaining():
            return NimbusTimeoutError(f"{self._host} answered {self._request.name} too slowly.")
        return from_exception(self._request, error, route)

    def response(self) -> Response:
        """Return the response, or raise the error of the exchange."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        sent_id, request_id = self._request.headers.get("X-Request-ID"), self._headers.get("x-request-id")
        if request_id and request_id != sent_id:
            request_id = sanitize(request_id, self._request.maskable, limit=_MAX_ID_LENGTH)
        if _log.isEnabledFor(logging.DEBUG):
            self._log()
        return Response(
            status=self._status,
            headers=self._headers,
            body=b"".join(self._chunks),
            request_id=request_id or sent_id,
            clock_offset=_clock_offset(self._headers.get("date", "")),
        )

    def _unpack(self, chunk: bytes, inflate: zlib._Decompress) -> bytes:
        try:
            # A few bytes could become gigabytes: one more than allowed is enough to know.
            unpacked = inflate.decompress(chunk, BODY_LIMIT + 1 - self._inflated)
        except zlib.error:
            raise self._damaged() from None
        self._inflated += len(unpacked)
        return unpacked

    def _damaged(self) -> ResponseFormatError:
        return ResponseFormatError(f"{self._host} answered {self._request.name} with damaged compression.")

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
