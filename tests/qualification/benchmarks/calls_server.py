"""A server that does next to nothing, for the benchmark of calls; prints its port."""

import asyncio
import json

FIELDS = {"status": "healthy", "timestamp": "2026-01-01T00:00:00Z", "version": "1", "database": "connected"}
BODY = json.dumps(FIELDS)
RESPONSE = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 01 Dec 2026 00:00:00 GMT\r\n"
    f"X-Request-ID: req_0123456789abcdef\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
).encode()


class Connection(asyncio.Protocol):
    """Responds to every request without reading it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Respond once for each request that is complete."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            self._received = self._received.partition(b"\r\n\r\n")[2]
            self._transport.write(RESPONSE)


async def main() -> None:
    """Serve until the process is killed."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
