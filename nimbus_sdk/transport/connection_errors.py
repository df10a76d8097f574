"""The one map from failed exchanges to the errors of the SDK."""

from __future__ import annotations

import re
import socket
import ssl
from typing import TypeVar
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import is_loopback
from nimbus_sdk.errors import NimbusConnectionError, NimbusTimeoutError
from nimbus_sdk.transport.flow import Request
from nimbus_sdk.transport.proxies import Proxy, Route, name_variables
from nimbus_sdk.transport.redaction import sanitize

# OpenSSL's reasons if the other side knows only old versions of TLS.
_OLD_TLS = frozenset({"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"})
# The same if the other side wants a certificate of ours: in TLS 1.3, and in TLS 1.2, where it may mean more.
_CERTIFICATE_REQUIRED, _HANDSHAKE_FAILURE = "ALERT_CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE"
CLIENT_CERTIFICATE_HINT = (
    "The service asks for none, so a proxy in between does. The SDK cannot present one: ask whoever runs the "
    "proxy to let HTTPS to this host through."
)
_UNKNOWN_ISSUER_HINT = (
    "If your network opens TLS connections (ask whoever runs it), set SSL_CERT_FILE to its root certificate, "
    "a PEM file. On a guest network, log in with a browser first."
)
_CLOCK_HINT = (
    "Check this machine's clock. If it is right, whoever runs that server has to renew the certificate."
)
_OTHER_SERVER_HINT = (
    "It belongs to another server, which answers instead: log in to the network with a browser, or check the "
    "DNS server and the hosts file. Do not trust that certificate."
)
# By OpenSSL's result of verification (x509_vfy.h): not yet valid, expired; another host, another address.
OTHER_HOST_CODES = frozenset({62, 64})
_UNTRUSTED_HINTS = {9: _CLOCK_HINT, 10: _CLOCK_HINT, **dict.fromkeys(OTHER_HOST_CODES, _OTHER_SERVER_HINT)}
_LOOPBACK_HINT = (
    "That address is on this machine: is the sandbox still running? `nimbus-sdk sandbox serve` starts one. "
    "If it runs, check the port in the settings."
)
# Not implemented, and HTTP version not supported (RFC 9110): from a server that knows no CONNECT.
_UNSUPPORTED = frozenset({501, 505})
_STATUS = re.compile(r"[1-9]\d\d\b")
DIRECT = Route()
E = TypeVar("E", bound=BaseException)


def from_exception(request: Request, error: BaseException, route: Route = DIRECT) -> NimbusConnectionError:
    """Return the error for a failed exchange. Its text names the host, never the query of a URL.

    A failure before the host behind a proxy is the proxy's.
    """
    if route.proxy is None:
        return _host_error(request, error)
    if not route.is_past:
        return _proxy_error(request, error, route.proxy)
    found = _host_error(request, error)
    # What is not a proxy may take a CONNECT for a request, and answer it.
    way = f"The way leads through the proxy {route.proxy}, which {name_variables(route.proxy)} names."
    found.hint = f"{found.hint} {way}"
    return found


def _host_error(request: Request, error: BaseException) -> NimbusConnectionError:
    if isinstance(error, NimbusConnectionError):
        return error
    import httpcore

    host, secrets = urlsplit(request.url).netloc, request.maskable
    sent = not isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout))
    if isinstance(error, httpcore.TimeoutException):
        return NimbusTimeoutError(f"{host} did not answer in time ({request.name}).", sent=sent)
    if (unresolved := find_cause(error, socket.gaierror)) is not None:
        return unknown_host_error(host, unresolved)
    if (broken := find_cause(error, ssl.SSLError)) is not None:
        return _tls_error(host, broken, sent)
    if isinstance(error, (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError)):
        return NimbusConnectionError(
            f"The request to {host} cannot be sent ({type(error).__name__}).", passing=False, sent=False
        )
    # No firewall stands before the addresses of this machine.
    hint = _LOOPBACK_HINT if is_loopback(urlsplit(request.url).hostname or "") else None
    reason = sanitize(str(error), secrets, limit=120) or type(error).__name__
    is_cut = isinstance(error, httpcore.RemoteProtocolError)
    what = "closed the connection in mid-answer" if is_cut else "cannot be reached"
    return NimbusConnectionError(f"{host} {what} ({request.name}: {reason}).", sent=sent, hint=hint)


def is_socks_error(error: BaseException) -> bool:
    """Whether an error is of the package for SOCKS proxies, which httpcore lets through."""
    return type(error).__module__.partition(".")[0] == "socksio"


def unknown_host_error(
    host: str, error: OSError | UnicodeError, passing: bool = False
) -> NimbusConnectionError:
    """Return the error for a host name that cannot be resolved."""
    reason = error.strerror if isinstance(error, OSError) else None
    return NimbusConnectionError(
        f"The name {host} cannot be resolved ({sanitize(reason or type(error).__name__)}).",
        passing=passing,
        sent=False,
        hint="Check the network connection, the DNS server and the proxy variables, then try again.",
    )


def _tls_error(host: str, error: ssl.SSLError, sent: bool) -> NimbusConnectionError:
    # Only OpenSSL's own errors have a reason.
    reason = getattr(error, "reason", None) or "unknown reason"
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"The certificate of {host} is not trusted ({sanitize(error.verify_message)})."
        hint = _UNTRUSTED_HINTS.get(error.verify_code, _UNKNOWN_ISSUER_HINT)
    elif reason in _OLD_TLS:
        what = f"{host} does not offer TLS 1.2 or newer, so nothing was sent to it."
        hint = "The server, or a proxy in between, must be updated; older TLS is never used."
    elif reason.endswith((_CERTIFICATE_REQUIRED, _HANDSHAKE_FAILURE)):
        asks = "asks" if reason.endswith(_CERTIFICATE_REQUIRED) else "refused the TLS handshake and may ask"
        what, hint = f"{host} {asks} for a client certificate ({reason}).", CLIENT_CERTIFICATE_HINT
    else:
        return NimbusConnectionError(f"The TLS connection to {host} failed ({reason}).", sent=sent)
    return NimbusConnectionError(what, passing=False, sent=False, hint=hint)


def _proxy_error(request: Request, error: BaseException, proxy: Proxy) -> NimbusConnectionError:
    """Return the error for a request that did not get past its proxy; nothing was sent to the host."""
    import httpcore

    secrets = (*request.maskable, proxy.password)
    reason = sanitize(str(error), secrets, limit=120) or type(error).__name__
    kind, passing = NimbusConnectionError, True
    advice = "Check its scheme (http:// or https://), name and port, and that it runs."
    if isinstance(error, NimbusConnectionError):
        kind, passing = type(error), error.passing
        what = f"cannot be used: {error.message[:1].lower()}{error.message[1:].rstrip('.')}"
    elif isinstance(error, (httpcore.TimeoutException, TimeoutError)):
        kind, what = NimbusTimeoutError, "did not answer in time"
    elif isinstance(error, httpcore.ProxyError):
        what, advice, passing = _read_refusal(reason, urlsplit(request.url).netloc, proxy)
    elif (broken := find_cause(error, ssl.SSLError)) is not None:
        found = _tls_error("it", broken, sent=False)
        what, passing = f"cannot be used: {found.message.rstrip('.')}", found.passing
        advice = advice if found.hint == NimbusConnectionError.advice else found.hint
    elif isinstance(error, httpcore.RemoteProtocolError) or is_socks_error(error):
        what = f"does not answer as a proxy does ({reason})"
    else:
        what = f"cannot be reached ({reason})"
    hint = f"{name_variables(proxy)} names this proxy. {advice}"
    return kind(f"The proxy {proxy} {what}.", passing=passing, sent=False, hint=hint)


def _read_refusal(reason: str, host: str, proxy: Proxy) -> tuple[str, str, bool]:
    """Return what a proxy did that refused a connection, what to do, and whether that may pass."""
    status = int(reason[:3]) if _STATUS.match(reason) else None
    if status == 407:
        what, advice = (
            "asks for a user and password",
            "Put them into its URL: http://user:password@host:port.",
        )
        if proxy.password:
            what, advice = "rejected the user and password of its URL", "Correct them there."
        # The response of the proxy, which names the schemes that it takes, is not passed on by httpcore.
        advice += (
            " If it takes NTLM or Kerberos alone, run a local proxy that speaks it, such as px or cntlm."
        )
        return f"{what} ({reason})", advice, False
    if status == 403:
        advice = f"Ask whoever runs it to allow HTTPS to {host}."
        return f"does not allow connections to {host} ({reason})", advice, False
    if status is None:
        # The proxy speaks SOCKS (RFC 1928), whose refusals httpcore writes out.
        passing = "could not connect" in reason and "not allowed" not in reason
        return f"did not connect to {host} ({reason})", "Check its user, password and rules.", passing
    if status >= 500 and status not in _UNSUPPORTED:
        advice = f"It runs, but has no way to {host}: try again in a few minutes, or tell whoever runs it."
        return f"did not reach {host} ({reason})", advice, True
    advice = "It may be a web server and not a proxy: check its address and port."
    return f"does not connect to {host} ({reason})", advice, False


def find_cause(error: BaseException | None, kind: type[E]) -> E | None:
    """Return the first error of a kind among an error and its causes."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error
