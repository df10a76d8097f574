"""Name resolution with a timeout, which ``getaddrinfo`` itself does not have."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import LOOPBACK
from nimbus_sdk.display.waiting import TimeLimitError, run_with_timeout
from nimbus_sdk.errors import NimbusError, NimbusTimeoutError
from nimbus_sdk.transport.proxies import Proxies
from nimbus_sdk.transport.status import unknown_host_error


def count_addresses(url: str, seconds: float) -> int:
    """Resolve the host of a URL within a timeout, and return the number of its addresses.

    ``getaddrinfo`` may wait a minute for a name server, before any timeout of the connection counts.
    The proxy resolves the names of hosts behind it: 1 is returned for them.

    Raises:
        NimbusConnectionError: There is no such host.
        NimbusTimeoutError: No name server answered in time.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in LOOPBACK or _is_address(host) or proxy_for(url) is not None:
        return 1
    try:
        port = parts.port or parts.scheme
        entries = run_with_timeout(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    except TimeLimitError:
        failure: NimbusError = NimbusTimeoutError(
            f"No name server answered for {host} within {seconds:.1f} s.", sent=False
        )
    except (OSError, UnicodeError) as error:
        failure = unknown_host_error(host, error)
    else:
        return max(1, len({entry[4] for entry in entries}))
    raise failure


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def proxy_for(url: str) -> str | None:
    """Return the proxy for a URL, without its password, or None for a direct connection."""
    proxy = Proxies.detect().for_url(url)
    return None if proxy is None else str(proxy)
