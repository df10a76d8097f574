"""Where a NeuroAI key may be used from: domains, addresses and networks.

Source: "Referrer Restrictions" of the NeuroAI documentation: a key can be limited to domains or IP addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

_DOMAIN = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")


def is_referrer(entry: str) -> bool:
    """Whether a text can stand in a key's list.

    Example:
        >>> [is_referrer(entry) for entry in ("*.example.com", "10.0.0.0/8", "https://example.com/", "?")]
        [True, True, True, False]
    """
    return _network(entry) is not None or _DOMAIN.fullmatch(_host(entry)) is not None


def admits(entries: Iterable[str], referrer: str, address: str) -> bool:
    """Whether a request from here may use a key with this list.

    Args:
        entries: The key's list.
        referrer: The request's ``Referer`` or ``Origin``, empty where it has none.
        address: The peer's IP address.

    Example:
        >>> admits(["*.example.com"], "https://app.example.com/page", "203.0.113.9")
        True
        >>> admits(["203.0.113.0/24"], "", "198.51.100.7")
        False
    """
    host, peer = _host(referrer), ip_address(address)
    for entry in entries:
        network = _network(entry)
        if network is not None:
            if peer in network:
                return True
        elif _fits(_host(entry), host):
            return True
    return False


def _fits(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else bool(host) and host == pattern


def _host(text: str) -> str:
    try:
        return urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None
