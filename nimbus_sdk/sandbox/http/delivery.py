"""Sends responses, with the faults of the connection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

from starlette.types import Receive, Send

from nimbus_sdk.sandbox.http.faults import Fault
from nimbus_sdk.sandbox.http.listener import Connection
from nimbus_sdk.sandbox.http.request_log import Exchange
from nimbus_sdk.sandbox.http.responses import FilePart, Response

_DIGEST = re.compile(rb"sha256:([0-9a-f])")
_CHUNKS_PER_SECOND = 20
_HEAD_DELAY = 0.02


async def deliver(
    connection: Connection, response: Response, fault: Fault, exchange: Exchange, receive: Receive, send: Send
) -> None:
    """Send a response as the fault demands; the exchange in the log is updated before each byte is sent."""
    exchange.status = response.status
    body = _corrupt(response) if fault.corrupt_digest else response.iter_body()
    async with aclosing(_throttle(body, fault.drip, receive)) as chunks:
        if fault.breaks_http:
            await _send_broken(connection, response, fault, exchange, chunks)
            await wait_for_disconnect(receive)
        else:
            await _send_whole(connection, response, exchange, chunks, send)


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the peer disconnects; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def disconnects_within(seconds: float, receive: Receive) -> bool:
    """Wait so many seconds for the peer to disconnect; return whether it did."""
    try:
        await asyncio.wait_for(wait_for_disconnect(receive), seconds)
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
    if rate is None:
        for chunk in chunks:
            yield chunk
        return
    size = max(1, int(rate / _CHUNKS_PER_SECOND))
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            part = chunk[start : start + size]
            if await disconnects_within(len(part) / rate, receive):
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
