"""Which proxy a request goes through, if any.

Decided here and not by httpx, which breaks off over entries of NO_PROXY that other programs take, such as
``fd00::/8``. The proxies themselves are those that ``urllib`` finds, as httpx would have them.
"""

from __future__ import annotations

import os
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import is_loopback
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.transport.redaction import MASK

C = TypeVar("C")
_SCHEMES = ("https", "http", "all")
_VARIABLES = frozenset(f"{scheme}_proxy" for scheme in _SCHEMES)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; its URL may hold a password, so only ``str`` shows it, without that."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        scheme, _, place = self.url.partition("://")
        _, user, host = place.rpartition("@")
        return f"{scheme}://{MASK}@{host}" if user else self.url


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment, or else the system, says of proxies.

    Attributes:
        by_scheme: The proxy for ``http``, ``https`` and ``all``, where there is one.
        spared: The entries of NO_PROXY.
        system: No variable speaks of a proxy, so that the system's own exceptions count.
    """

    by_scheme: Mapping[str, Proxy]
    spared: tuple[str, ...] = ()
    system: bool = False

    @classmethod
    def found(cls) -> Proxies:
        """Look at the environment and the system."""
        told = urllib.request.getproxies()
        spared = tuple(told.get("no", "").replace(",", " ").split())
        schemes = [scheme for scheme in _SCHEMES if told.get(scheme) and "*" not in spared]
        by_scheme = {scheme: Proxy(_whole(told[scheme])) for scheme in schemes}
        return cls(by_scheme, spared, system=not urllib.request.getproxies_environment())

    def to(self, url: str) -> Proxy | None:
        """The proxy that a request to a URL goes through; None where it goes straight."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        proxy = self.by_scheme.get(parts.scheme) or self.by_scheme.get("all")
        if proxy is None or is_loopback(host):
            return None
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return None if self._spares(parts.scheme, host, str(port)) else proxy

    def _spares(self, scheme: str, host: str, port: str) -> bool:
        if any(_names(entry.lower(), scheme, host, port) for entry in self.spared):
            return True
        return self.system and bool(urllib.request.proxy_bypass(host))


class ClientPool(Generic[C]):
    """The clients that lead out: one goes straight, and one goes through each proxy.

    The one for a proxy is made with the first request that goes there: a proxy that cannot be used must not
    stand in the way of what never goes through it.
    """

    def __init__(self, make: Callable[[str | None], C]) -> None:
        self._make = make
        self._proxies = Proxies.found()
        self._straight: C = make(None)
        self._through: dict[Proxy, C] = {}
        self._guard = threading.Lock()

    def to(self, url: str) -> C:
        """The client for requests to a URL.

        Raises:
            ConfigurationError: Its proxy cannot be used; the message names the variables.
        """
        proxy = self._proxies.to(url)
        if proxy is None:
            return self._straight
        with self._guard:
            if proxy not in self._through:
                self._through[proxy] = _opened(self._make, proxy)
            return self._through[proxy]

    def __iter__(self) -> Iterator[C]:
        yield self._straight
        yield from self._through.values()


def _opened(make: Callable[[str | None], C], proxy: Proxy) -> C:
    # Not above: the doctor asks for proxies without sending anything, and httpx takes long to load.
    from httpx import InvalidURL

    try:
        return make(proxy.url)
    except ImportError:
        fault = ConfigurationError(
            f"{_variables(proxy)} names a socks proxy, which needs the package socksio.",
            hint="Run `pip install socksio`, or name an http:// proxy.",
        )
    except (ValueError, InvalidURL):
        fault = ConfigurationError(
            f"{_variables(proxy)} does not hold the URL of a proxy that can be used.",
            hint="Give it as http://host:port or http://user:password@host:port, or unset it.",
        )
    # Raised here and not in the handler: the frames of httpx hold the URL, with the password in it.
    raise fault


def _variables(proxy: Proxy) -> str:
    named = [
        name
        for name, value in os.environ.items()
        if name.lower() in _VARIABLES and _whole(value) == proxy.url
    ]
    return " or ".join(sorted(named)) or (
        "The system's proxy setting, which counts while none of HTTPS_PROXY, HTTP_PROXY and ALL_PROXY is set,"
    )


def _whole(address: str) -> str:
    return address if "://" in address else f"http://{address}"


def _names(entry: str, scheme: str, host: str, port: str) -> bool:
    """Whether an entry of NO_PROXY speaks of a host; one that makes no sense speaks of none."""
    its_scheme, _, place = entry.rpartition("://")
    name, its_port = _parted(place.rstrip("/"))
    if its_scheme not in ("", "all", scheme) or its_port not in ("", port):
        return False
    if name in ("", "*"):
        return bool(its_scheme or its_port)
    address = _address(host)
    return _within(host, name, exact=bool(its_scheme)) if address is None else _holds(name, address)


def _parted(place: str) -> tuple[str, str]:
    """Host or network, and port, of ``host``, ``host:1``, ``::1``, ``[::1]:1`` or ``[fd00::]/8``."""
    if place.startswith("["):
        name, _, rest = place[1:].partition("]")
        return (name + rest, "") if rest.startswith("/") else (name, rest.removeprefix(":"))
    name, _, port = place.partition(":")
    return (place, "") if ":" in port else (name, port)


def _within(host: str, name: str, exact: bool) -> bool:
    domain = name.removeprefix("*")
    if domain.startswith("."):
        return host.endswith(domain)
    # An entry with a scheme is that host alone; httpx reads it so.
    return host == domain or (not (exact and domain == name) and host.endswith(f".{domain}"))


def _holds(network: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
