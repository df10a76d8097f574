"""A proxy on raw sockets in front of the sandbox: it forwards requests, or acts as a bad network does.

It uses no HTTP library, so it can break the rules of HTTP. All proxies of a run share one thread.
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
_BACKLOG = 64


@dataclass(frozen=True)
class RawResponse:
    """A response in bytes: status line and headers with their blank line, and the body."""

    head: bytes
    body: bytes

    def with_body(self, body: bytes, length: int | None = None) -> RawResponse:
        """Return the same response with another body and its length, or another length, in the head."""
        header = b"\r\nContent-Length: %d" % (len(body) if length is None else length)
        return RawResponse(_LENGTH.sub(header, self.head, count=1), body)


class ClientConnection:
    """A request that has arrived, and the connection it came on."""

    def __init__(
        self,
        proxy: FaultyProxy,
        request: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: str,
    ) -> None:
        self.proxy = proxy
        self._request = request
        self._reader = reader
        self._writer = writer
        self._upstream = upstream

    async def fetch_response(self) -> RawResponse:
        """Return the sandbox's response: its work is done then, whatever happens to the response."""
        parts = urlsplit(self._upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(self._request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            content = await reader.read(-1)
        finally:
            writer.close()
        head, _, body = content.partition(_HEAD_END)
        response = RawResponse(self.proxy.replace_addresses(head) + _HEAD_END, body)
        return (
            response.with_body(self.proxy.replace_addresses(body))
            if b"application/json" in head
            else response
        )

    async def send(self, data: bytes) -> None:
        """Send bytes; return when the kernel has accepted most of them."""
        self._writer.write(data)
        await self._writer.drain()

    async def wait_closed(self) -> None:
        """Wait until the client closes the connection."""
        while await self._reader.read(_LARGEST_HEAD):
            pass

    def reset(self) -> None:
        """Abort the connection with a TCP RST."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()


Action = Callable[[ClientConnection], Awaitable[None]]


async def forward(client: ClientConnection) -> None:
    """Forward the request and its response unchanged."""
    response = await client.fetch_response()
    await client.send(response.head + response.body)


class ProxyThread:
    """The thread in which the proxies run; use it as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-proxies", daemon=True)

    def do(self, job: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread, and wait for it."""
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(30)

    def __enter__(self) -> ProxyThread:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class FaultyProxy:
    """Listens on a port for the API and GitHub, one for the storage host, and one for a host that is neither.

    Args:
        thread: The thread it runs in.
        api: Base URL of the sandbox.
        storage: Base URL of its storage host.

    Attributes:
        received: Number of requests that arrived, by step.
        third_host_requests: What arrived at the third host, in bytes.
    """

    def __init__(self, thread: ProxyThread, api: str, storage: str) -> None:
        self._thread = thread
        self._real = {api.encode(): 0, storage.encode(): 1}
        self._ports = [_Port(self, api), _Port(self, storage), _Port(self, None)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._step = ""
        self._action: Action = forward
        self.received: Counter[str] = Counter()
        self.third_host_requests: list[bytes] = []

    @property
    def api_url(self) -> str:
        """Base URL of the API and of GitHub."""
        return self._ports[0].url

    @property
    def storage_url(self) -> str:
        """Base URL of the storage host."""
        return self._ports[1].url

    @property
    def third_host_url(self) -> str:
        """Base URL of a host that must never receive a secret."""
        return self._ports[2].url

    def replace_addresses(self, text: bytes) -> bytes:
        """Replace the sandbox's addresses in a text by this proxy's."""
        for real, index in self._real.items():
            text = text.replace(real, self._ports[index].url.encode())
        return text

    def set_action(self, step: str, action: Action) -> None:
        """Set which step the next request is, and what to do to it."""
        self._step, self._action = step, action

    def open(self) -> None:
        """Listen on all ports."""
        for port in self._ports:
            self._thread.do(port.open())

    def refuse_connections(self) -> None:
        """Stop listening; the ports stay reserved."""
        for port in self._ports:
            self._thread.do(port.close())

    def __enter__(self) -> FaultyProxy:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse_connections()
        self._thread.do(self._cancel_tasks())
        for port in self._ports:
            port.release()

    async def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve(
        self, upstream: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request, then close: every request has a connection of its own."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            request = await _read_request(reader)
            if upstream is None:
                self.third_host_requests.append(request)
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            else:
                self.received[self._step] += 1
                await self._action(ClientConnection(self, request, reader, writer, upstream))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client has closed the connection, or the proxy stops.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


class _Port:
    """One port."""

    def __init__(self, proxy: FaultyProxy, upstream: str | None) -> None:
        self._proxy = proxy
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        # Bound, and never listening: between open and close, connections are refused and the port stays ours.
        self._reservation = _bind(0)
        self._port = int(self._reservation.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._answer, sock=_bind(self._port), backlog=_BACKLOG)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def release(self) -> None:
        self._reservation.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._proxy.serve(self._upstream, reader, writer)


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(_HEAD_END)
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")
