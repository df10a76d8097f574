"""The one map from responses and failed exchanges to the errors of the SDK."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import is_loopback
from nimbus_sdk.errors import (
    ApiError,
    InvalidKeyError,
    InvalidKeyFormatError,
    KeyExpiredError,
    KeyNotFoundError,
    MethodNotAllowedError,
    MissingEventTypeError,
    MissingKeyError,
    NimbusConnectionError,
    NimbusError,
    NimbusTimeoutError,
    NotConfiguredError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.redaction import sanitize
from nimbus_sdk.transport.retry import parse_retry_after

BY_CODE: dict[str, type[ApiError]] = {
    "MISSING_KEY": MissingKeyError,
    "INVALID_FORMAT": InvalidKeyFormatError,
    "MISSING_EVENT_TYPE": MissingEventTypeError,
    "INVALID_KEY": InvalidKeyError,
    "KEY_EXPIRED": KeyExpiredError,
    "KEY_NOT_FOUND": KeyNotFoundError,
    "METHOD_NOT_ALLOWED": MethodNotAllowedError,
    "QUOTA_EXCEEDED": QuotaExceededError,
    "RATE_LIMIT_EXCEEDED": RateLimitError,
    "SERVER_ERROR": ServerError,
    "NOT_CONFIGURED": NotConfiguredError,
}
BY_STATUS: dict[int, type[ApiError]] = {
    401: InvalidKeyError,
    403: PermissionDeniedError,
    405: MethodNotAllowedError,
    429: RateLimitError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}
_SECONDARY_LIMIT_SECONDS = 60.0
"""The wait for a secondary rate limit without Retry-After; source: GitHub's documentation of its limits."""

# OpenSSL's reasons if the other side knows only old versions of TLS.
_OLD_TLS = frozenset({"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"})
# The same if the other side wants a certificate of ours: in TLS 1.3, and in TLS 1.2, where it may mean more.
_NO_CLIENT_CERTIFICATE = ("ALERT_CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE")
_CLIENT_CERTIFICATE_PAGE = re.compile(rb"(?i)\b(?:client|ssl) certificate\b")
_CLIENT_CERTIFICATE_HINT = (
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
# OpenSSL's results of verification: not yet valid, expired, another host, another address (x509_vfy.h).
_UNTRUSTED_HINTS = {9: _CLOCK_HINT, 10: _CLOCK_HINT, 62: _OTHER_SERVER_HINT, 64: _OTHER_SERVER_HINT}
E = TypeVar("E", bound=BaseException)
_LOOPBACK_HINT = (
    "That address is on this machine: is the sandbox still running? `nimbus-sdk sandbox serve` starts one. "
    "If it runs, check the port in the settings."
)
_CAPTIVE_PORTAL_HINT = (
    "That did not come from the service itself: a captive portal or a proxy may be in between. "
    "Open a web page in a browser, log in to the network, then try again."
)


def raise_for_status(request: Request, response: Response) -> Response:
    """Return the response unless it is a refusal.

    Raises:
        ApiError: The service refused; the class follows from the error code, or else from the status.
        NimbusConnectionError: A proxy asked for a password.
    """
    if 200 <= response.status < 300:
        return response
    refusal = _refusal(request, response)
    # An accepted 403 that is a limit on requests is no answer: another try may succeed.
    if response.status in request.accept and (response.status != 403 or type(refusal) is not RateLimitError):
        return response
    raise refusal


def from_exception(request: Request, error: Exception) -> NimbusError:
    """Return the error for a failed exchange. Its text names the host, never the query of a URL."""
    import httpcore

    host, secrets = urlsplit(request.url).netloc, request.maskable
    causes = list(_chain(error))
    sent = not isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout))
    if isinstance(error, httpcore.TimeoutException):
        return NimbusTimeoutError(f"{host} did not answer in time ({request.name}).", sent=sent)
    if (unresolved := _first_of(causes, socket.gaierror)) is not None:
        return unknown_host_error(host, unresolved)
    if isinstance(error, httpcore.ProxyError):
        return NimbusConnectionError(
            f"The proxy on the way to {host} refused: {sanitize(str(error), secrets)}.",
            passing=False,
            sent=False,
            hint="Check HTTPS_PROXY (user and password belong in its URL) and NO_PROXY.",
        )
    if (broken := _first_of(causes, ssl.SSLError)) is not None:
        return _tls_error(host, broken, sent)
    if isinstance(error, (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError)):
        return NimbusConnectionError(
            f"The request to {host} cannot be sent ({type(error).__name__}).", passing=False, sent=False
        )
    if isinstance(error, httpcore.RemoteProtocolError):
        return NimbusConnectionError(
            f"{host} broke off in mid-answer ({request.name}: {sanitize(str(error), secrets, limit=120)}).",
            hint=_address_hint(request),
        )
    reason = sanitize(str(error), secrets, limit=120) or type(error).__name__
    return NimbusConnectionError(
        f"{host} cannot be reached ({request.name}: {reason}).", sent=sent, hint=_address_hint(request)
    )


def _tls_error(host: str, error: ssl.SSLError, sent: bool) -> NimbusConnectionError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return NimbusConnectionError(
            f"The certificate of {host} is not trusted ({sanitize(error.verify_message)}).",
            passing=False,
            sent=False,
            hint=_UNTRUSTED_HINTS.get(error.verify_code, _UNKNOWN_ISSUER_HINT),
        )
    # Only OpenSSL's own errors have a reason.
    reason = getattr(error, "reason", None) or "unknown reason"
    if reason in _OLD_TLS:
        return NimbusConnectionError(
            f"{host} offers no TLS 1.2 or newer, so nothing was sent to it.",
            passing=False,
            sent=False,
            hint="The server, or a proxy in between, must be updated; older TLS is never used.",
        )
    if reason.endswith(_NO_CLIENT_CERTIFICATE):
        asks = (
            "asks" if reason.endswith(_NO_CLIENT_CERTIFICATE[0]) else "refused the TLS handshake and may ask"
        )
        return NimbusConnectionError(
            f"{host} {asks} for a client certificate ({reason}).",
            passing=False,
            sent=False,
            hint=_CLIENT_CERTIFICATE_HINT,
        )
    return NimbusConnectionError(f"The TLS connection to {host} failed ({reason}).", sent=sent)


def _address_hint(request: Request) -> str | None:
    """Return what to check where nobody answers: no firewall stands before this machine's own addresses."""
    return _LOOPBACK_HINT if is_loopback(urlsplit(request.url).hostname or "") else None


def quote_message(response: Response) -> str:
    """Return what a response says about itself, to be appended to a message; empty if it says nothing."""
    message = _ErrorBody.read(response, response.secrets).message
    return f": {message.rstrip('.')}" if message else ""


def unknown_host_error(host: str, error: OSError | UnicodeError) -> NimbusConnectionError:
    """Return the error for a host name that cannot be resolved."""
    reason = error.strerror if isinstance(error, OSError) else None
    return NimbusConnectionError(
        f"The name {host} cannot be resolved ({sanitize(reason or type(error).__name__)}).",
        passing=False,
        sent=False,
        hint="Check the network connection, the DNS server and the proxy variables, then try again.",
    )


def _refusal(request: Request, response: Response) -> NimbusError:
    host, request_id = urlsplit(request.url).netloc, _short_text(response.request_id, request.maskable)
    if 300 <= response.status < 400:
        return ApiError(
            f"{host} answered {request.name} with a redirect to {_redirect_host(request, response)}, "
            "which is not followed, so that no key leaves for another host.",
            status=response.status,
            request_id=request_id,
            hint=f"Check NIMBUS_SDK_API_URL. {_CAPTIVE_PORTAL_HINT}",
        )
    if response.status == 407:
        return NimbusConnectionError(
            f"A proxy on the way to {host} asks for a password.",
            passing=False,
            hint="Give user and password in the URL of HTTPS_PROXY.",
        )
    body = _ErrorBody.read(response, request.maskable)
    retry_after = parse_retry_after(response.headers)
    # NeuroAI writes its codes in lower case.
    kind = BY_CODE.get((body.code or "").upper()) or BY_STATUS.get(response.status, ApiError)
    hint: str | None = None
    if kind is PermissionDeniedError and _is_rate_limit(request, response, body):
        kind = RateLimitError
        retry_after = _SECONDARY_LIMIT_SECONDS if retry_after is None else retry_after
    elif body.is_foreign and response.status < 500:
        wants_certificate = _CLIENT_CERTIFICATE_PAGE.search(response.body) is not None
        hint = (
            f"It asks for a client certificate. {_CLIENT_CERTIFICATE_HINT}"
            if wants_certificate
            else _CAPTIVE_PORTAL_HINT
        )
        kind = kind if response.status == 429 else ApiError
    text = f": {body.message}" if body.message else ""
    wait = f" It asks to wait {retry_after:.0f} s." if kind is RateLimitError and retry_after else ""
    refusal = kind(
        f"{host} refused {request.name} with status {response.status}{text.rstrip('.')}.{wait}",
        status=response.status,
        request_id=body.request_id or request_id,
        retry_after=retry_after,
        hint=hint,
    )
    refusal.clock_offset = response.clock_offset
    # Never the default of the class: a key is remembered as rejected only by a code from the service itself.
    refusal.code = body.code
    return refusal


def _is_rate_limit(request: Request, response: Response, body: _ErrorBody) -> bool:
    """Whether a 403 is a limit on requests, as GitHub sends it: with a wait, nothing left, or words."""
    if "retry-after" in response.headers or "rate limit" in (body.message or "").lower():
        return True
    # A service with documented limits sends 429, and its 403 may come with the last request of a minute.
    none_left = response.headers.get("x-ratelimit-remaining", "").strip() == "0"
    return none_left and request.per_minute is None


class _ErrorBody:
    """An error body in any of the shapes that the services use."""

    __slots__ = ("code", "is_foreign", "message", "request_id")

    def __init__(self, fields: Mapping[str, object] | None, secrets: tuple[str, ...]) -> None:
        self.is_foreign = fields is None
        outer = fields or {}
        error = outer.get("error")
        inner = error if isinstance(error, dict) else outer
        text = inner.get("message") or (error if isinstance(error, str) else None)
        self.message = sanitize(text, secrets) if isinstance(text, str) else None
        self.code = _short_text(inner.get("code"), secrets)
        self.request_id = _short_text(inner.get("requestId") or inner.get("request_id"), secrets)

    @classmethod
    def read(cls, response: Response, secrets: tuple[str, ...]) -> _ErrorBody:
        try:
            fields = response.json()
        except ResponseFormatError:
            fields = None
        return cls(fields if isinstance(fields, dict) else None, secrets)


def _redirect_host(request: Request, response: Response) -> str:
    try:
        host = urlsplit(response.headers.get("location", "")).hostname
    except ValueError:
        host = None
    return sanitize(host or "", request.maskable, limit=80) or "an unnamed place"


def _short_text(value: object, secrets: tuple[str, ...]) -> str | None:
    if not isinstance(value, str):
        return None
    return sanitize(value, secrets, limit=80) or None


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _first_of(errors: list[BaseException], kind: type[E]) -> E | None:
    return next((error for error in errors if isinstance(error, kind)), None)
