"""A gate before the sandbox, on raw sockets: passes requests on, or does to one what a bad network does.

A gate knows nothing of HTTP libraries, so it can break its rules. All gates of a run stand in one thread.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LARGEST_HEAD = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
_AT_ONCE = 64


@dataclass(frozen=True)
class Reply:
    """An answer as it goes over the wire: status line and headers with their blank line, and the body."""

    head: bytes
    body: bytes

    def with_body(self, body: bytes, told: int | None = None) -> Reply:
        """The same answer with another body, of which the head tells the length, or another one."""
        length = b"\r\nContent-Length: %d" % (len(body) if told is None else told)
        return Reply(_LENGTH.sub(length, self.head, count=1), body)


class Peer:
    """One request that has arrived, and the connection it came on."""

    def __init__(
        self,
        gate: Gate,
        request: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: str,
    ) -> None:
        self.gate = gate
        self._request = request
        self._reader = reader
        self._writer = writer
        self._upstream = upstream

    async def real(self) -> Reply:
        """What the sandbox answers: its work is done then, whatever becomes of the answer."""
        parts = urlsplit(self._upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(
                re.sub(rb"(?i)\r\nconnection: [^\r]*", b"\r\nConnection: close", self._request, count=1)
            )
            answer = await reader.read(-1)
        finally:
            writer.close()
        head, _, body = answer.partition(_HEAD_END)
        reply = Reply(self.gate.led_here(head) + _HEAD_END, body)
        return reply.with_body(self.gate.led_here(body)) if b"application/json" in head else reply

    async def send(self, data: bytes) -> None:
        """Send bytes on; returns when the peer's kernel has taken most of them."""
        self._writer.write(data)
        await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the other side has hung up."""
        while await self._reader.read(_LARGEST_HEAD):
            pass

    def reset(self) -> None:
        """Cut the connection with a TCP RST."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()


Act = Callable[[Peer], Awaitable[None]]


async def pass_on(peer: Peer) -> None:
    """What an honest network does."""
    reply = await peer.real()
    await peer.send(reply.head + reply.body)


class Gatehouse:
    """The thread in which gates stand; use it as a context."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gatehouse", daemon=True)

    def do(self, job: Coroutine[Any, Any, T]) -> T:
        """Run something in the gatehouse's thread, and wait for it."""
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(30)

    def __enter__(self) -> Gatehouse:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Gate:
    """Ports of its own for the API with GitHub, for the storage host, and for a host that is neither.

    Args:
        house: Where it stands.
        api: Base URL of the sandbox.
        storage: Base URL of its storage host.

    Attributes:
        arrived: Requests that arrived, by the step that was announced.
        elsewhere: What arrived at the third host, raw.
    """

    def __init__(self, house: Gatehouse, api: str, storage: str) -> None:
        self._house = house
        self._real = {api.encode(): 0, storage.encode(): 1}
        self._doors = [_Door(self, api), _Door(self, storage), _Door(self, None)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._step = ""
        self._act: Act = pass_on
        self.arrived: Counter[str] = Counter()
        self.elsewhere: list[bytes] = []

    @property
    def api_url(self) -> str:
        """Base of the API and of GitHub."""
        return self._doors[0].url

    @property
    def storage_url(self) -> str:
        """Base of the storage host."""
        return self._doors[1].url

    @property
    def elsewhere_url(self) -> str:
        """Base of a host that must never see a secret."""
        return self._doors[2].url

    def led_here(self, text: bytes) -> bytes:
        """A text of the sandbox's, with this gate's addresses in place of its own."""
        for real, place in self._real.items():
            text = text.replace(real, self._doors[place].url.encode())
        return text

    def announce(self, step: str, act: Act) -> None:
        """The next request is this step, and this is what will be done to it."""
        self._step, self._act = step, act

    def open(self) -> None:
        """Listen."""
        for door in self._doors:
            self._house.do(door.open())

    def shut(self) -> None:
        """From now on connections are refused; the ports stay taken."""
        for door in self._doors:
            self._house.do(door.shut())

    def __enter__(self) -> Gate:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._house.do(self._end())
        for door in self._doors:
            door.give_back()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve(
        self, upstream: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request, then hang up: every request has a connection of its own."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            request = await _request(reader)
            if upstream is None:
                self.elsewhere.append(request)
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            else:
                self.arrived[self._step] += 1
                await self._act(Peer(self, request, reader, writer, upstream))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Whoever asked has hung up, or the gate is taken down.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


class _Door:
    """One port."""

    def __init__(self, gate: Gate, upstream: str | None) -> None:
        self._gate = gate
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        # Bound, and never listening: while the door is shut, connections are refused and the port stays ours.
        self._holder = _bound(0)
        self._port = int(self._holder.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._answer, sock=_bound(self._port), backlog=_AT_ONCE)

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def give_back(self) -> None:
        self._holder.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._gate.serve(self._upstream, reader, writer)


def _bound(port: int) -> socket.socket:
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", port))
    return place


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(_HEAD_END)
    told = _LENGTH.search(head)
    return head + (await reader.readexactly(int(told[1])) if told else b"")
