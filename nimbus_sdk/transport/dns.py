"""Name resolution with a timeout, which ``getaddrinfo`` does not have, and connections to what it finds."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import zip_longest
from typing import TypeAlias, cast

from nimbus_sdk.display.timeouts import TimeLimitError, run_with_timeout
from nimbus_sdk.errors import NimbusError, NimbusTimeoutError
from nimbus_sdk.transport.connection_errors import unknown_host_error

Address: TypeAlias = tuple[socket.AddressFamily, tuple[str, int]]
"""Where a socket of a family connects to."""

LOST_SECONDS = 1.0
"""A temporary failure of name resolution after more than that may pass with another attempt."""

STAGGER_SECONDS = 0.25
"""Pause before the next address of a host is tried as well (RFC 8305, section 5)."""

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


def connect(addresses: Sequence[Address], seconds: float) -> socket.socket:
    """Return a socket that is connected to the first of some addresses that answers.

    If an address does not answer at once, the next is tried as well, so that a version of IP that leads
    nowhere costs little (RFC 8305).
    """
    waiting = deque(_alternate(addresses))
    errors: list[OSError] = []
    now = next_start = time.monotonic()
    end = now + seconds
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or selector.get_map():
                now = time.monotonic()
                if now >= end:
                    raise errors[-1] if errors else TimeoutError
                if waiting and (now >= next_start or not selector.get_map()):
                    next_start = now + STAGGER_SECONDS
                    try:
                        _start(selector, *waiting.popleft())
                    except OSError as error:
                        errors.append(error)
                        next_start = now
                    continue
                for key, _ in selector.select(min(end, next_start if waiting else end) - now):
                    connected = cast(socket.socket, key.fileobj)
                    selector.unregister(connected)
                    if not (number := connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                        return connected
                    connected.close()
                    errors.append(OSError(number, os.strerror(number)))
                    next_start = now
            raise errors[-1] if errors else OSError("the host has no address")
        finally:
            for key in list(selector.get_map().values()):
                cast(socket.socket, key.fileobj).close()


def _start(selector: selectors.BaseSelector, family: socket.AddressFamily, address: tuple[str, int]) -> None:
    """Begin to connect to an address."""
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        with suppress(BlockingIOError):
            connecting.connect(address)
        selector.register(connecting, selectors.EVENT_WRITE)
    except BaseException:
        connecting.close()
        raise


def _alternate(addresses: Sequence[Address]) -> Iterator[Address]:
    """Yield addresses in turns of one version of IP and the other (RFC 8305, section 4)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return (address for pair in zip_longest(first, others) for address in pair if address is not None)
