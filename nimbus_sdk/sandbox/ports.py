"""Loopback sockets, bound before the server starts so that its addresses are known."""

from __future__ import annotations

import os
import socket

from nimbus_sdk.errors import ConfigurationError

HOST = "127.0.0.1"


def bound(port: int) -> socket.socket:
    """A socket bound to a loopback port; 0 takes a free one.

    Raises:
        ConfigurationError: The port is taken, or may not be used.
    """
    # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer takes 40 ms.
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":
            # Lets a sandbox restart on its port at once; on Windows it would share the port instead.
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((HOST, port))
    except (OSError, OverflowError) as fault:
        place.close()
        raise ConfigurationError(
            f"Port {port} of {HOST} cannot be used: {fault}.", hint="Take another port, or 0 for a free one."
        ) from fault
    return place


def url(place: socket.socket) -> str:
    """The socket's address as a base URL."""
    return f"http://{HOST}:{place.getsockname()[1]}"
