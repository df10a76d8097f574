"""From an answer to bytes on the wire, with the faults that strike on the way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

from starlette.types import Receive, Send

from nimbus_sdk.sandbox.http.connection import Connection
from nimbus_sdk.sandbox.http.faults import Fault
from nimbus_sdk.sandbox.http.request_log import Entry
from nimbus_sdk.sandbox.http.responses import FilePart, Reply

_DIGEST = re.compile(rb"sha256:([0-9a-f])")
_DRIPS_PER_SECOND = 20
_HEAD_START = 0.02


async def deliver(
    connection: Connection, reply: Reply, fault: Fault, entry: Entry, receive: Receive, send: Send
) -> None:
    """Send the answer, in the way the fault asks for.

    Args:
        connection: The connection it goes out on.
        reply: What to send.
        fault: How to send it.
        entry: The journal's entry, told of every byte before it goes.
        receive: Tells when the peer is gone.
        send: Takes ASGI messages.
    """
    entry.answered(reply.status)
    whole = _corrupted(reply) if fault.corrupt_digest else reply.pieces()
    async with aclosing(_paced(whole, fault.drip, receive)) as pieces:
        if fault.cuts:
            await _send_cut(connection, reply, fault, entry, pieces)
            await until_gone(receive)
        else:
            await _send_whole(connection, reply, entry, pieces, send)


async def until_gone(receive: Receive) -> None:
    """Wait until the peer is disconnected; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def gone_within(seconds: float, receive: Receive) -> bool:
    """Wait so many seconds, or until the peer is disconnected: whether it is."""
    try:
        await asyncio.wait_for(until_gone(receive), seconds)
    except TimeoutError:
        return False
    return True


async def _send_whole(
    connection: Connection, reply: Reply, entry: Entry, pieces: AsyncIterator[bytes], send: Send
) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    headers.append((b"Content-Length", str(reply.length).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    async for piece in pieces:
        if connection.gone:
            return
        entry.sent(len(piece))
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_cut(
    connection: Connection, reply: Reply, fault: Fault, entry: Entry, pieces: AsyncIterator[bytes]
) -> None:
    told = reply.length // 2 if fault.wrong_length else reply.length
    left = reply.length if fault.truncate is None else fault.truncate
    if fault.reset == "after_head":
        left = fault.truncate or 0
    await connection.write_head(
        reply.status, {**reply.headers, "Content-Length": str(told), "Connection": "close"}
    )
    async for piece in pieces:
        if not left or connection.gone:
            break
        part = piece[:left]
        left -= len(part)
        entry.sent(len(part))
        await connection.write(part)
    if fault.reset == "after_head":
        # The peer's kernel may drop what it has not read when the RST comes: let it read the head first.
        await asyncio.sleep(_HEAD_START)
        connection.reset()
    else:
        connection.transport.close()


async def _paced(pieces: Iterator[bytes], rate: float | None, receive: Receive) -> AsyncGenerator[bytes]:
    if rate is None:
        for piece in pieces:
            yield piece
        return
    size = max(1, int(rate / _DRIPS_PER_SECOND))
    for piece in pieces:
        for start in range(0, len(piece), size):
            drop = piece[start : start + size]
            if await gone_within(len(drop) / rate, receive):
                return
            yield drop


def _corrupted(reply: Reply) -> Iterator[bytes]:
    if not isinstance(reply.body, FilePart):
        yield _DIGEST.sub(lambda found: b"sha256:" + (b"1" if found[1] == b"0" else b"0"), reply.body)
        return
    spot = reply.length // 2
    for piece in reply.pieces():
        if 0 <= spot < len(piece):
            yield piece[:spot] + bytes([piece[spot] ^ 0xFF]) + piece[spot + 1 :]
        else:
            yield piece
        spot -= len(piece)
