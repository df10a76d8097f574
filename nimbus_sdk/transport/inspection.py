"""Look at what stands between this machine and a host: proxies, name servers, IPv6, and who answers over TLS.

For the doctor. No request here carries a secret.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from nimbus_sdk.errors import NimbusConnectionError, ResponseFormatError
from nimbus_sdk.transport.connection_errors import OTHER_HOST_CODES, find_cause, from_exception
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.dns import Address, connect, resolve
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.proxies import Proxy, Route
from nimbus_sdk.transport.redaction import sanitize
from nimbus_sdk.transport.tls import certificate_issuer, tls_context

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_ENOUGH_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Lookup:
    """The addresses of a host, and the seconds that the look-up took."""

    addresses: tuple[Address, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """Who answers over TLS.

    Attributes:
        issuer: The issuer of its certificate.
        fault: Why the certificate is not trusted, or None if it is.
        is_other_host: Whether it is not trusted because it belongs to another host.
        is_page: Whether it answers a request with something else than JSON, as a log-in page does.
    """

    issuer: str
    fault: str | None
    is_other_host: bool
    is_page: bool


def look_up(url: str, seconds: float) -> Lookup:
    """Resolve the host of a URL as a request does."""
    started = time.monotonic()
    addresses = resolve(*_address(url), seconds)
    return Lookup(addresses, time.monotonic() - started)


def find_black_hole(addresses: tuple[Address, ...], seconds: float) -> str | None:
    """Return an address of the version of IP that leads nowhere while the other works, or None.

    A version that is refused at once costs nothing, and is not a hole.
    """
    families = {address[0]: [one for one in addresses if one[0] == address[0]] for address in addresses}
    if len(families) < 2:
        return None
    silent, working = [], 0
    for some in families.values():
        try:
            connect(some, seconds).close()
            working += 1
        except TimeoutError:
            silent.append(some[0][1][0])
        except OSError:
            continue
    return silent[0] if silent and working else None


def reach_proxy(proxy: Proxy, seconds: float) -> None:
    """Connect to a proxy; if it cannot be reached, the message names it without its password."""
    proxy.for_httpcore(tls_context())
    try:
        connect(resolve(*_address(proxy.url), seconds), seconds).close()
    except (OSError, NimbusConnectionError) as error:
        failure = from_exception(Request(name="proxy", method="CONNECT", url=proxy.url), error, Route(proxy))
    else:
        return
    raise failure


def inspect_tls(url: str, proxy: Proxy | None, seconds: float) -> TlsPeer:
    """Return who answers at an https URL, trusted or not; a request without any secret is sent."""
    request = Request(name="connection test", method="GET", url=url)
    look = _look(request, proxy, tls_context(), seconds)
    if (untrusted := look.untrusted) is not None:
        # The certificate of whoever answers is only read.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        look = _look(request, proxy, context, seconds)
    if look.certificate is None:
        raise from_exception(request, look.error or ConnectionError("no certificate"), look.route)
    return TlsPeer(
        issuer=certificate_issuer(look.certificate),
        fault=None if untrusted is None else sanitize(untrusted.verify_message),
        is_other_host=untrusted is not None and _is_of_other_host(request, proxy, look.certificate, seconds),
        is_page=look.is_page,
    )


def _is_of_other_host(request: Request, proxy: Proxy | None, certificate: bytes, seconds: float) -> bool:
    """Whether a certificate is for another host, which OpenSSL says only of one that it trusts otherwise."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    untrusted = _look(request, proxy, context, seconds).untrusted
    return untrusted is not None and untrusted.verify_code in OTHER_HOST_CODES


@dataclass(frozen=True, slots=True)
class _Look:
    """What one exchange showed: a certificate or an error, and how far it came."""

    certificate: bytes | None
    error: Exception | None
    route: Route
    is_page: bool

    @property
    def untrusted(self) -> ssl.SSLCertVerificationError | None:
        """The error of a host's certificate that is not trusted."""
        return find_cause(self.error, ssl.SSLCertVerificationError) if self.route.is_past else None


def _look(request: Request, proxy: Proxy | None, context: ssl.SSLContext, seconds: float) -> _Look:
    # Imported here: the doctor of a machine without network sends nothing.
    import httpcore

    from nimbus_sdk.transport.connection_pool import connector
    from nimbus_sdk.transport.http import encode_request
    from nimbus_sdk.transport.network import ExchangeLimits
    from nimbus_sdk.transport.response_reader import HTTP_ERRORS

    encoded = encode_request(request, ExchangeLimits(Deadline(seconds), seconds))
    connection = connector(context, proxy)(encoded.url.origin)
    error: Exception | None = None
    status, body = 0, bytearray()
    try:
        answer = connection.core.handle_request(encoded)
        status = answer.status
        for chunk in answer.iter_stream():
            body += chunk
            if len(body) > _ENOUGH_BYTES:
                break
    except (*HTTP_ERRORS, NimbusConnectionError) as caught:
        error = caught
    finally:
        connection.close()
    route = connection.route
    unconnected = (httpcore.ConnectError, httpcore.ConnectTimeout, NimbusConnectionError)
    is_silent = isinstance(error, unconnected) or not route.is_past
    is_page = error is None and not _is_json(status, bytes(body))
    return _Look(None if is_silent else connection.certificate, error, route, is_page)


def _is_json(status: int, body: bytes) -> bool:
    try:
        return isinstance(Response(status=status, headers={}, body=body).json(), dict)
    except ResponseFormatError:
        return False


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
