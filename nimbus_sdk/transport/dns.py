"""Name resolution with a timeout, which ``getaddrinfo`` itself does not have."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address
from typing import TypeAlias

from nimbus_sdk.display.waiting import TimeLimitError, run_with_timeout
from nimbus_sdk.errors import NimbusError, NimbusTimeoutError
from nimbus_sdk.transport.failures import unknown_host_error

Address: TypeAlias = tuple[socket.AddressFamily, tuple[str, int]]
"""Where a socket of a family connects to."""

LOST_SECONDS = 1.0
"""A temporary failure of name resolution after more than that may pass with another attempt."""

# RFC 6761, section 6.3: no name server is asked for it.
_LOCALHOST = ("127.0.0.1", "::1")


def resolve(host: str, port: int, seconds: float) -> tuple[Address, ...]:
    """Return the addresses of a host, in the order in which the system prefers them.

    Only a name takes a thread of its own: ``getaddrinfo`` may wait a minute for a name server.
    """
    literals = _LOCALHOST if host == "localhost" else (host,)
    try:
        return tuple(_address(literal, port) for literal in literals)
    except ValueError:
        pass  # it is a name
    started = time.monotonic()
    try:
        entries = run_with_timeout(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    except TimeLimitError:
        failure: NimbusError = NimbusTimeoutError(
            f"No name server answered for {host} within {seconds:.1f} s.", sent=False
        )
    except (OSError, UnicodeError) as error:
        # At once, it is a machine without network; after seconds, packets were lost on the way.
        is_lost = getattr(error, "errno", None) == socket.EAI_AGAIN
        failure = unknown_host_error(
            host, error, passing=is_lost and time.monotonic() - started > LOST_SECONDS
        )
    else:
        # A scope is a part of the text of an address.
        found = (
            (family, (str(address[0]), int(address[1])))
            for family, _, _, _, address in entries
            if family in (socket.AF_INET, socket.AF_INET6)
        )
        return tuple(dict.fromkeys(found))
    raise failure


def _address(literal: str, port: int) -> Address:
    address = ip_address(literal)
    return socket.AF_INET6 if address.version == 6 else socket.AF_INET, (str(address), port)
