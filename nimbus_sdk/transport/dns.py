"""Name resolution with an end: ``getaddrinfo`` itself knows no timeout."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import LOOPBACK
from nimbus_sdk.errors import NimbusError, NimbusTimeoutError
from nimbus_sdk.transport.proxies import Proxies
from nimbus_sdk.transport.status import unknown_host_error
from nimbus_sdk.transport.threads import TimeLimitError, run_with_timeout


def count_addresses(url: str, seconds: float) -> int:
    """How many addresses the host of a URL has, found within the time given.

    A name server that does not answer holds up ``getaddrinfo`` for up to a minute, and with it any
    timeout of the connection that would follow. Hosts behind a proxy are the proxy's to resolve: 1.

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
        fault: NimbusError = NimbusTimeoutError(
            f"No name server answered for {host} within {seconds:.1f} s.", sent=False
        )
    except (OSError, UnicodeError) as error:
        fault = unknown_host_error(host, error)
    else:
        return max(1, len({entry[4] for entry in entries}))
    raise fault


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def proxy_for(url: str) -> str | None:
    """The proxy that a request to a URL goes through, without its password; None where it goes straight."""
    proxy = Proxies.found().to(url)
    return None if proxy is None else str(proxy)
