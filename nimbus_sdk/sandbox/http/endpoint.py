"""An endpoint as an ASGI application: request log, faults, handler, and delivery of the response."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from email.utils import formatdate

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from nimbus_sdk.sandbox.http.database import Clock
from nimbus_sdk.sandbox.http.faults import Fault, FaultQueues
from nimbus_sdk.sandbox.http.listener import SCOPE_KEY, Connection
from nimbus_sdk.sandbox.http.request_log import Exchange, RequestLog
from nimbus_sdk.sandbox.http.requests import Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import FilePart, HttpError, Response

MAX_BODY = 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_DIGEST = re.compile(rb"sha256:([0-9a-f])")
_CHUNKS_PER_SECOND = 20
_HEAD_DELAY = 0.02
logger = logging.getLogger(__name__)


class Endpoint:
    """Answers the requests of one route."""

    def __init__(self, route: ServiceRoute, clock: Clock, log: RequestLog, faults: FaultQueues) -> None:
        self._route = route
        self._clock = clock
        self._log = log
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        http_request = HttpRequest(scope, receive)
        connection: Connection = scope[SCOPE_KEY]
        request_id = http_request.headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = f"req_{secrets.token_hex(8)}"
        exchange = self._log.add(http_request, self._route.endpoint, request_id, self._clock())
        try:
            body = await _read_body(http_request)
        except ClientDisconnect:
            return
        fault = self._faults.take(self._route.endpoint)
        if fault.delay and await _disconnects_within(fault.delay, receive):
            return
        does_work = fault.reset != "before_head"
        response = await self._response(http_request, body, fault, request_id) if does_work else None
        if response is None or fault.reset == "after_work":
            connection.reset()
            await _wait_for_disconnect(receive)
            return
        response = self._add_headers(response, fault, request_id)
        await _deliver(connection, response, fault, exchange, receive, send)

    async def _response(
        self, http_request: HttpRequest, body: bytes | None, fault: Fault, request_id: str
    ) -> Response:
        errors = self._route.errors
        replacement = fault.replacement(errors, request_id)
        if replacement is not None:
            return replacement
        if body is None:
            return errors.response(HttpError(status=413), request_id)
        request = Request(
            method=http_request.method,
            path=http_request.scope["path"],
            path_params=http_request.path_params,
            query=http_request.query_params,
            headers=http_request.headers,
            body=body,
            client_address=http_request.client.host if http_request.client else "",
            request_id=request_id,
        )
        try:
            return await self._route.handler(request)
        except HttpError as error:
            return errors.response(error, request_id)
        except Exception:
            logger.exception("The sandbox failed at its endpoint %s.", self._route.endpoint)
            return errors.response(HttpError(status=500), request_id)

    def _add_headers(self, response: Response, fault: Fault, request_id: str) -> Response:
        now = self._clock() + (fault.date_offset or 0)
        headers = {"Date": formatdate(now, usegmt=True), "X-Request-ID": request_id}
        if fault.content_type is not None:
            headers["Content-Type"] = fault.content_type
        return response.with_headers(headers).with_headers(fault.headers or {})


async def _read_body(http_request: HttpRequest) -> bytes | None:
    body = bytearray()
    async for chunk in http_request.stream():
        if len(body) <= MAX_BODY:
            body += chunk
    return bytes(body) if len(body) <= MAX_BODY else None


async def _deliver(
    connection: Connection, response: Response, fault: Fault, exchange: Exchange, receive: Receive, send: Send
) -> None:
    """Send a response as the fault demands; the exchange in the log is updated before each byte is sent."""
    exchange.status = response.status
    body = _corrupt(response) if fault.corrupt_digest else response.iter_body()
    async with aclosing(_throttle(body, fault.drip, receive)) as chunks:
        if fault.breaks_http:
            await _send_broken(connection, response, fault, exchange, chunks)
            await _wait_for_disconnect(receive)
        else:
            await _send_whole(connection, response, exchange, chunks, send)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until the peer disconnects; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _disconnects_within(seconds: float, receive: Receive) -> bool:
    """Wait so many seconds for the peer to disconnect; return whether it did."""
    try:
        await asyncio.wait_for(_wait_for_disconnect(receive), seconds)
    except TimeoutError:
        return False
    return True


async def _send_whole(
    connection: Connection, response: Response, exchange: Exchange, chunks: AsyncIterator[bytes], send: Send
) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items()]
    headers.append((b"Content-Length", str(response.length).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    async for chunk in chunks:
        if connection.is_closed:
            return
        exchange.bytes_sent += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_broken(
    connection: Connection, response: Response, fault: Fault, exchange: Exchange, chunks: AsyncIterator[bytes]
) -> None:
    length = response.length // 2 if fault.wrong_length else response.length
    left = response.length if fault.truncate is None else fault.truncate
    if fault.reset == "after_head":
        left = fault.truncate or 0
    await connection.write_head(
        response.status, {**response.headers, "Content-Length": str(length), "Connection": "close"}
    )
    async for chunk in chunks:
        if not left or connection.is_closed:
            break
        part = chunk[:left]
        left -= len(part)
        exchange.bytes_sent += len(part)
        await connection.write(part)
    if fault.reset == "after_head":
        # The peer's kernel may drop what it has not read when the RST comes: let it read the head first.
        await asyncio.sleep(_HEAD_DELAY)
        connection.reset()
    else:
        connection.transport.close()


async def _throttle(chunks: Iterator[bytes], rate: float | None, receive: Receive) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        size = max(1, len(chunk) if rate is None else int(rate / _CHUNKS_PER_SECOND))
        for start in range(0, len(chunk), size):
            part = chunk[start : start + size]
            if rate is not None and await _disconnects_within(len(part) / rate, receive):
                return
            yield part


def _corrupt(response: Response) -> Iterator[bytes]:
    if not isinstance(response.body, FilePart):
        yield _DIGEST.sub(lambda match: b"sha256:" + (b"1" if match[1] == b"0" else b"0"), response.body)
        return
    position = response.length // 2
    for chunk in response.iter_body():
        if 0 <= position < len(chunk):
            yield chunk[:position] + bytes([chunk[position] ^ 0xFF]) + chunk[position + 1 :]
        else:
            yield chunk
        position -= len(chunk)
