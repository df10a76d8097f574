"""Proxies from the environment or the system.

The proxies are those that ``urllib`` finds. Entries of NO_PROXY may be such as other programs accept:
``fd00::/8``, ``[::1]:8080``, ``https://host``.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from nimbus_sdk.config.settings import is_loopback, read_text
from nimbus_sdk.config.urls import SYNTAX, split_url
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.python_environment import install_hint
from nimbus_sdk.transport.redaction import MASK
from nimbus_sdk.transport.tls import tls_context

if TYPE_CHECKING:
    import httpcore

_SCHEMES = ("https", "http", "all")
_VARIABLES = frozenset(f"{scheme}_proxy" for scheme in _SCHEMES)
_PORTS = {"http": 80, "https": 443}

_is_fork = False
"""Whether this process was forked. macOS ends forked processes that ask for the proxies of the system."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. Its URL may contain a password, which ``str`` masks."""

    url: str = field(repr=False)

    @property
    def password(self) -> str:
        """The password in its URL, or an empty text."""
        user, _, _ = self.url.partition("://")[2].rpartition("@")
        return unquote(user.partition(":")[2])

    def __str__(self) -> str:
        scheme, _, address = self.url.partition("://")
        _, user, host = address.rpartition("@")
        return f"{scheme}://{MASK}@{host}" if user else self.url

    @property
    def handshakes(self) -> int:
        """How many TLS handshakes a request over TLS needs before the host behind the proxy answers."""
        return 2 if self.url.startswith("https://") else 1

    def for_httpcore(self, context: ssl.SSLContext) -> httpcore.Proxy:
        """Return the proxy for httpcore; if it cannot be used, the message names the variable.

        The context is for the connection to an https:// proxy. Without it, certifi's roots would count.
        """
        try:
            return self._parse(context)
        except ImportError:
            fault = ConfigurationError(
                f"{name_variables(self)} names a socks proxy, which needs the package socksio.",
                hint=f"{install_hint(['socksio'])} Or name an http:// proxy.",
            )
        except (ValueError, TypeError):
            fault = ConfigurationError(
                f"{name_variables(self)} is not a valid proxy URL.",
                hint="Give it as http://host:port or http://user:password@host:port, or unset it. "
                f"Its place is {SYNTAX}. In user and password, write \\ as %5C and / as %2F.",
            )
        # Raised here and not in the handler: the frames below contain the URL with its password.
        raise fault

    def _parse(self, context: ssl.SSLContext) -> httpcore.Proxy:
        # Imported here: the doctor looks at proxies without sending anything.
        import httpcore

        parts = split_url(self.url)
        host, port = parts.hostname, parts.port
        if not host or parts.scheme not in ("http", "https", "socks5", "socks5h"):
            raise ValueError("not the URL of a proxy")
        if parts.scheme.startswith("socks"):
            import_module("socksio")
        auth = None
        if parts.username or parts.password:
            auth = unquote(parts.username or "").encode(), unquote(parts.password or "").encode()
        # A name may have letters of any script; only the ASCII form of it is looked up.
        name = host.encode("idna").decode() if not host.isascii() else host
        address = httpcore.URL(scheme=parts.scheme, host=name, port=port, target="/")
        return httpcore.Proxy(address, auth=auth, ssl_context=context if parts.scheme == "https" else None)


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a request to its host.

    Attributes:
        proxy: The proxy on the way, or None.
        is_past: Whether the request got past the proxy, if there is one.
    """

    proxy: Proxy | None = None
    is_past: bool = False


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxy settings of the environment, or else of the system.

    Attributes:
        by_scheme: The proxies for ``http``, ``https`` and ``all``, as far as they are set.
        bypass: The entries of NO_PROXY.
        system: No variable is set, so that the exceptions of the system count.
    """

    by_scheme: Mapping[str, Proxy]
    bypass: tuple[str, ...] = ()
    system: bool = False

    @classmethod
    def detect(cls) -> Proxies:
        """Read the environment and the settings of the system."""
        environment = urllib.request.getproxies_environment()
        may_ask_system = not (sys.platform == "darwin" and _is_fork)
        proxies = urllib.request.getproxies() if may_ask_system else environment
        bypass = tuple(read_text(proxies, "no").replace(",", " ").split())
        addresses = {} if "*" in bypass else {scheme: read_text(proxies, scheme) for scheme in _SCHEMES}
        by_scheme = {scheme: Proxy(_add_scheme(text)) for scheme, text in addresses.items() if text}
        return cls(by_scheme, bypass, system=may_ask_system and not environment)

    def for_url(self, url: str) -> Proxy | None:
        """Return the proxy for a URL, or None for a direct connection."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        proxy = self.by_scheme.get(parts.scheme) or self.by_scheme.get("all")
        if proxy is None or is_loopback(host):
            return None
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return None if self._is_bypassed(parts.scheme, host, str(port)) else proxy

    def find_way(self, url: str) -> tuple[ssl.SSLContext, Proxy | None]:
        """Return the TLS context and the proxy for the connections to a URL."""
        proxy = self.for_url(url)
        if url.startswith("https://") or (proxy is not None and proxy.url.startswith("https://")):
            return tls_context(), proxy
        # A context without any root trusts nobody, should a connection over TLS ever come to it.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), proxy

    def _is_bypassed(self, scheme: str, host: str, port: str) -> bool:
        if any(_matches(entry.lower(), scheme, host, port) for entry in self.bypass):
            return True
        return self.system and bool(urllib.request.proxy_bypass(host))


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for a URL, or None for a direct connection."""
    return Proxies.detect().for_url(url)


def name_variables(proxy: Proxy) -> str:
    """Return the names of the variables that set a proxy, or what else did, as the subject of a sentence."""
    named = [
        name
        for name in os.environ
        if name.lower() in _VARIABLES and _add_scheme(read_text(os.environ, name)) == proxy.url
    ]
    return " or ".join(sorted(named)) or (
        "The system's proxy setting, used while none of HTTPS_PROXY, HTTP_PROXY and ALL_PROXY is set,"
    )


def _add_scheme(address: str) -> str:
    return address if "://" in address else f"http://{address}"


def _matches(entry: str, scheme: str, host: str, port: str) -> bool:
    """Return whether an entry of NO_PROXY matches a host; an invalid entry matches none."""
    entry_scheme, _, rest = entry.rpartition("://")
    name, entry_port = _split_port(rest.rstrip("/"))
    if entry_scheme not in ("", "all", scheme) or entry_port not in ("", port):
        return False
    if name in ("", "*"):
        return bool(entry_scheme or entry_port)
    try:
        address = ip_address(host)
    except ValueError:
        return _matches_domain(host, name, exact=bool(entry_scheme))
    return _contains(name, address)


def _split_port(place: str) -> tuple[str, str]:
    """Split the port off ``host``, ``host:1``, ``::1``, ``[::1]:1`` or ``[fd00::]/8``."""
    if place.startswith("["):
        name, _, rest = place[1:].partition("]")
        return (name + rest, "") if rest.startswith("/") else (name, rest.removeprefix(":"))
    name, _, port = place.partition(":")
    return (place, "") if ":" in port else (name, port)


def _matches_domain(host: str, name: str, exact: bool) -> bool:
    domain = name.removeprefix("*")
    if domain.startswith("."):
        return host.endswith(domain)
    # An entry with a scheme matches this host alone.
    return host == domain or (not (exact and domain == name) and host.endswith(f".{domain}"))


def _contains(network: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False


def _note_fork() -> None:
    global _is_fork
    _is_fork = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
