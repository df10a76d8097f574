"""Splitting URLs of which every parser reads the same host and port.

``urllib`` reads ``http://[::1]46405`` as ``::1`` without a port, other parsers as port 46405 or not at all.
What one parser has checked and another one sends must not be two places.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

SYNTAX = "host:port, or [IPv6 address]:port without a zone; the port is a number from 1 to 65535 or omitted"
"""What to write, for a message."""

_MAX_PORT = 65535
_MAX_PORT_DIGITS = 5


def split_url(url: str) -> SplitResult:
    """Split ``scheme://[user[:password]@]host[:port]`` and anything behind it, if host and port are clear.

    Raises:
        ValueError: Parsers read it differently, or it has no host. Its message contains nothing of the URL.
    """
    if not _is_clear(url):
        raise ValueError(f"not {SYNTAX}")
    return urlsplit(url)


def _is_clear(url: str) -> bool:
    scheme, _, rest = url.partition("://")
    authority = rest[: min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))]
    user, _, place = authority.rpartition("@")
    if not (scheme.isascii() and scheme.isalnum() and user.isprintable()) or "\\" in user:
        return False
    try:
        # urllib removes control characters.
        if urlsplit(url).netloc != authority:
            return False
    except ValueError:
        return False
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return _is_ipv6(host) and (not port or (port[0] == ":" and _is_port(port[1:])))
    host, colon, port = place.partition(":")
    return _is_name(host) and (not colon or _is_port(port))


def _is_name(host: str) -> bool:
    return host.strip(".") != "" and all(letter.isalnum() or letter in "._-" for letter in host)


def _is_ipv6(host: str) -> bool:
    if host == "::1":
        return True
    from ipaddress import IPv6Address

    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_PORT_DIGITS
    return is_number and 0 < int(text) <= _MAX_PORT
