"""Connect to the first address of a host that answers."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import cast

from nimbus_sdk.transport.dns import Address

STAGGER_SECONDS = 0.25
"""Pause before the next address of a host is tried as well (RFC 8305, section 5)."""


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
