"""Connections for httpcore: opened within a time limit, and never waiting longer than their request may.

Reading, writing and TLS are written once, as generators that yield what is to be sent or how much to receive,
for the blocking and the awaitable stream alike.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - for TLS, and loaded with this module, which never happens in an event loop
import select
import socket
import ssl
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TypeAlias, TypeVar, cast

import httpcore

from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.dns import connect, resolve
from nimbus_sdk.transport.threads import run_detached

T = TypeVar("T")
Steps: TypeAlias = Generator[int | memoryview, bytes, T]
"""Yields how many bytes to receive at most, which are sent into it, or what to send as a whole."""

CONNECT_SECONDS = 5.0
HEAD_BYTES = 256 * 1024
"""What may arrive before the body: a head, and any number of 1xx responses before it."""

_PIECE = 16 * 1024
_RECORD = 64 * 1024
_BODY_BYTES = 256 * 1024


class ExchangeLimits:
    """The time that one exchange may take, and how much may arrive before the body of its response.

    httpcore hands its timeouts to the stream unread, so this object is passed as each of them. The peer may
    send nothing for ``silence`` seconds.
    """

    __slots__ = ("_deadline", "_head_left", "_silence")

    def __init__(self, deadline: Deadline, silence: float) -> None:
        self._deadline = deadline
        self._silence = silence
        self._head_left = HEAD_BYTES

    def begin_body(self) -> None:
        """Allow any number of bytes from now on."""
        self._head_left = 0

    def bytes_at_once(self, wanted: int) -> int:
        """How many bytes to receive at most: more of a body than httpcore asks for, since that is faster."""
        return wanted if self._head_left else max(wanted, _BODY_BYTES)

    def count(self, received: int) -> None:
        """Count bytes that were received, and raise if they are too many for the head of a response."""
        if self._head_left:
            self._head_left -= received
            if self._head_left <= 0:
                raise httpcore.RemoteProtocolError(f"no response within the first {HEAD_BYTES} bytes")

    def connecting(self) -> float:
        """Seconds that a TCP connection may take from now."""
        return min(CONNECT_SECONDS, self._deadline.remaining())

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline.remaining()

    def waiting(self) -> float:
        """Seconds that the next wait may take; raise if there are none left."""
        seconds = min(self._silence, self._deadline.remaining())
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Plain:
    """Bytes as they are on the socket."""

    def receive(self, most: int) -> Steps[bytes]:
        return (yield most)

    def send(self, content: bytes) -> Steps[None]:
        view = memoryview(content)
        # In pieces, so that a slow line shows progress.
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]


class _Tls:
    """TLS over another layer, which may be TLS as well: that of an https proxy."""

    def __init__(self, below: _Plain | _Tls, context: ssl.SSLContext, hostname: str | None) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self._failure: ssl.SSLError | None = None

    def handshake(self) -> Steps[None]:
        return self._perform(self.object.do_handshake)

    def receive(self, most: int) -> Steps[bytes]:
        if self._failure is not None:
            raise self._failure
        try:
            first = yield from self._perform(lambda: self.object.read(most))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return b"".join([first, *self._further_records(most - len(first))])

    def _further_records(self, most: int) -> Iterator[bytes]:
        """Yield what was received already: a read ends with its record, and passing each on alone is slow."""
        while most > 0 and self._incoming.pending:
            try:
                content = self.object.read(most)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLError as error:
                # What came before it counts. OpenSSL calls the next read the end of the stream.
                self._failure = error
                return
            if not content:
                # TLS has ended; what is behind that stays where it is.
                return
            most -= len(content)
            yield content

    def send(self, content: bytes) -> Steps[None]:
        sent = 0
        while sent < len(content):
            rest = memoryview(content)[sent:]
            sent += yield from self._perform(partial(self.object.write, rest))

    def _perform(self, operation: Callable[[], T]) -> Steps[T]:
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                yield from self._flush()
                if received := (yield from self._below.receive(_RECORD)):
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            else:
                yield from self._flush()
                return result

    def _flush(self) -> Steps[None]:
        if self._outgoing.pending:
            yield from self._below.send(self._outgoing.read())


class Wire:
    """A socket, the layers of TLS over it, and the limits of the exchange that it is used for."""

    def __init__(self, connected: socket.socket, limits: ExchangeLimits) -> None:
        self.socket = connected
        self.limits = limits
        self.handshakes = 0
        self._layer: _Plain | _Tls = _Plain()

    def receive(self, most: int, timeout: object) -> Steps[bytes]:
        """Receive bytes; none at the end of the stream."""
        self._use(timeout)
        received = yield from self._layer.receive(self.limits.bytes_at_once(most))
        self.limits.count(len(received))
        return received

    def send(self, content: bytes, timeout: object) -> Steps[None]:
        """Send bytes."""
        self._use(timeout)
        return self._layer.send(content)

    def secure(self, context: ssl.SSLContext, hostname: str | None, timeout: object) -> Steps[None]:
        """Add a layer of TLS, and shake hands; if that fails, close the connection."""
        self._use(timeout)
        self.handshakes += 1
        layer = _Tls(self._layer, context, hostname)
        try:
            yield from layer.handshake()
        except BaseException:
            self.close()
            raise
        self._layer = layer

    def info(self, name: str) -> object:
        """Return what httpcore asks about a stream."""
        if name == "is_readable":
            return _is_readable(self.socket)
        if name == "ssl_object":
            return self._layer.object if isinstance(self._layer, _Tls) else None
        return self.socket if name == "socket" else None

    def close(self) -> None:
        """Close the socket, without a word of TLS: another process may use the same connection."""
        self.socket.close()

    def _use(self, timeout: object) -> None:
        # The SOCKS code of httpcore passes none.
        if isinstance(timeout, ExchangeLimits):
            self.limits = timeout


_Errors: TypeAlias = tuple[type[Exception], type[Exception]]
_CONNECT: _Errors = httpcore.ConnectTimeout, httpcore.ConnectError
_READ: _Errors = httpcore.ReadTimeout, httpcore.ReadError
_WRITE: _Errors = httpcore.WriteTimeout, httpcore.WriteError


def _translate(error: OSError, errors: _Errors) -> Exception:
    """Return the error of httpcore for one of the socket: the first for a timeout, else the second."""
    return errors[0]() if isinstance(error, TimeoutError) else errors[1](str(error))


class _Stream(httpcore.NetworkStream):
    """The blocking stream of a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def read(self, max_bytes: int, timeout: object = None) -> bytes:
        return self._run(self._wire.receive(max_bytes, timeout), _READ)

    def write(self, buffer: bytes, timeout: object = None) -> None:
        self._run(self._wire.send(buffer, timeout), _WRITE)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: object = None
    ) -> _Stream:
        self._run(self._wire.secure(ssl_context, server_hostname, timeout), _CONNECT)
        return self

    def get_extra_info(self, info: str) -> object:
        return self._wire.info(info)

    def close(self) -> None:
        self._wire.close()

    def _run(self, steps: Steps[T], errors: _Errors) -> T:
        wire, connected = self._wire, self._wire.socket
        try:
            step = next(steps)
            while True:
                connected.settimeout(wire.limits.waiting())
                if isinstance(step, int):
                    step = steps.send(connected.recv(step))
                else:
                    connected.sendall(step)
                    step = next(steps)
        except StopIteration as end:
            return cast(T, end.value)
        except OSError as error:
            raise _translate(error, errors) from error
        finally:
            steps.close()


class _AsyncStream(httpcore.AsyncNetworkStream):
    """The awaitable stream of a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        wire.socket.setblocking(False)

    async def read(self, max_bytes: int, timeout: object = None) -> bytes:
        return await self._run(self._wire.receive(max_bytes, timeout), _READ)

    async def write(self, buffer: bytes, timeout: object = None) -> None:
        await self._run(self._wire.send(buffer, timeout), _WRITE)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: object = None
    ) -> _AsyncStream:
        await self._run(self._wire.secure(ssl_context, server_hostname, timeout), _CONNECT)
        return self

    def get_extra_info(self, info: str) -> object:
        return self._wire.info(info)

    async def aclose(self) -> None:
        self._wire.close()

    async def _run(self, steps: Steps[T], errors: _Errors) -> T:
        loop = asyncio.get_running_loop()
        wire, connected = self._wire, self._wire.socket
        try:
            step = next(steps)
            while True:
                async with asyncio.timeout(wire.limits.waiting()):
                    if isinstance(step, int):
                        received = await loop.sock_recv(connected, step)
                    else:
                        received = b""
                        await loop.sock_sendall(connected, step)
                step = steps.send(received)
        except StopIteration as end:
            return cast(T, end.value)
        except OSError as error:
            raise _translate(error, errors) from error
        finally:
            steps.close()


class Backend(httpcore.NetworkBackend):
    """Opens the blocking stream of one connection."""

    def __init__(self) -> None:
        self.wire: Wire | None = None

    def connect_tcp(self, host: str, port: int, timeout: object = None, *_: object, **__: object) -> _Stream:
        """Connect to a host."""
        self.wire = _open_wire(host, port, timeout)
        return _Stream(self.wire)


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """Opens the awaitable stream of one connection."""

    def __init__(self) -> None:
        self.wire: Wire | None = None

    async def connect_tcp(
        self, host: str, port: int, timeout: object = None, *_: object, **__: object
    ) -> _AsyncStream:
        """Connect to a host, in a thread that a cancellation leaves behind."""
        self.wire = await run_detached(lambda: _open_wire(host, port, timeout), discard=Wire.close)
        return _AsyncStream(self.wire)


def _open_wire(host: str, port: int, timeout: object) -> Wire:
    limits = cast(ExchangeLimits, timeout)
    addresses = resolve(host, port, limits.remaining())
    try:
        connected = connect(addresses, limits.connecting())
    except OSError as error:
        raise _translate(error, _CONNECT) from error
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(connected, limits)


def _is_readable(connected: socket.socket) -> bool:
    """Whether there is something to read, or the connection has ended."""
    if connected.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([connected], [], [], 0)[0])
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))
