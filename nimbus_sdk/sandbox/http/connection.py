"""A server connection: uvicorn's HTTP protocol, and ways to break it on purpose."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from http.client import responses as reason_phrases

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

SCOPE_KEY = "nimbus_sandbox.connection"
_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Connection(H11Protocol):
    """Passes itself to the application as ``SCOPE_KEY`` of the scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the connection."""
        super().connection_made(transport)
        application = self.app

        async def with_connection(scope: Scope, receive: Receive, send: Send) -> None:
            scope[SCOPE_KEY] = self
            await application(scope, receive, send)

        self.app = with_connection

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be sent."""
        return self.transport.is_closing()

    def reset(self) -> None:
        """Close with a TCP RST: the peer gets ``ECONNRESET``."""
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None and not self.is_closed:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    async def write_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Write a response head without checking it against the body."""
        phrase = reason_phrases.get(status, "")
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        await self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def write(self, data: bytes) -> None:
        """Write bytes past the HTTP library, as fast as the peer reads them."""
        if not self.is_closed:
            self.transport.write(data)
            await self.flow.drain()
