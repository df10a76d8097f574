"""From what came back, or did not, to an answer or a ``NimbusError``: the only such map."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

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

if TYPE_CHECKING:
    import httpx

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
# What OpenSSL calls it when the other side knows only versions that are too old.
_TOO_OLD = frozenset({"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"})
E = TypeVar("E", bound=BaseException)
_IN_BETWEEN = (
    "That did not come from the service itself: a captive portal or a proxy may be in between. "
    "Open a web page in a browser, log in to the network, then try again."
)


def raise_for_status(call: Request, answer: Response) -> Response:
    """The answer, if it is one that the call expects.

    Raises:
        ApiError: It is a refusal, of the class that its code (or else its status) stands for.
        NimbusConnectionError: A proxy asked for a password in the service's place.
    """
    if 200 <= answer.status < 300 or answer.status in call.accept:
        return answer
    raise _refusal(call, answer)


def from_exception(call: Request, error: httpx.HTTPError | httpx.InvalidURL | OSError) -> NimbusError:
    """The error that a failed exchange stands for. Its text names the host, never a URL's query."""
    import httpx

    host, secrets = urlsplit(call.url).netloc, call.hidden
    causes = list(_chain(error))
    sent = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    if isinstance(error, httpx.TimeoutException):
        return NimbusTimeoutError(f"{host} did not answer in time ({call.name}).", sent=sent)
    if (unresolved := _first(causes, socket.gaierror)) is not None:
        return unknown_host_error(host, unresolved)
    if (untrusted := _first(causes, ssl.SSLCertVerificationError)) is not None:
        return NimbusConnectionError(
            f"The certificate of {host} is not trusted ({sanitize(untrusted.verify_message, secrets)}).",
            passing=False,
            sent=False,
            hint="If your network opens TLS connections, set SSL_CERT_FILE to its root certificate "
            "(a PEM file). If the certificate is not yet or no longer valid, check this machine's clock.",
        )
    if isinstance(error, httpx.ProxyError):
        return NimbusConnectionError(
            f"The proxy on the way to {host} refused: {sanitize(str(error), secrets)}.",
            passing=False,
            sent=False,
            hint="Check HTTPS_PROXY (user and password belong into its URL) and NO_PROXY.",
        )
    if (broken := _first(causes, ssl.SSLError)) is not None:
        # Only OpenSSL's own errors have a reason.
        reason = getattr(broken, "reason", None)
        if reason in _TOO_OLD:
            return NimbusConnectionError(
                f"{host} offers no TLS 1.2 or newer, so nothing was sent to it.",
                passing=False,
                sent=False,
                hint="The server, or a proxy in between, must be updated; older TLS is never used.",
            )
        return NimbusConnectionError(f"The TLS connection to {host} failed ({reason or 'none'}).", sent=sent)
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError)):
        return NimbusConnectionError(
            f"The request to {host} cannot be sent ({type(error).__name__}).", passing=False, sent=False
        )
    if isinstance(error, httpx.RemoteProtocolError):
        return NimbusConnectionError(
            f"{host} broke off in mid-answer ({call.name}: {sanitize(str(error), secrets, limit=120)})."
        )
    told = sanitize(str(error), secrets, limit=120) or type(error).__name__
    return NimbusConnectionError(f"{host} cannot be reached ({call.name}: {told}).", sent=sent)


def unknown_host_error(host: str, error: OSError | UnicodeError) -> NimbusConnectionError:
    """The name of the service's host could not be resolved, or is none."""
    reason = error.strerror if isinstance(error, OSError) else None
    return NimbusConnectionError(
        f"The name {host} cannot be resolved ({sanitize(reason or type(error).__name__)}).",
        passing=False,
        sent=False,
        hint="Check the network connection, the DNS server and the proxy variables, then try again.",
    )


def _refusal(call: Request, answer: Response) -> NimbusError:
    host, request_id = urlsplit(call.url).netloc, _word(answer.request_id, call.hidden)
    if 300 <= answer.status < 400:
        return ApiError(
            f"{host} answered {call.name} with a redirect to {_target(call, answer)}, "
            "which is not followed, so that no key leaves for another host.",
            status=answer.status,
            request_id=request_id,
            hint=f"Check NIMBUS_SDK_API_URL. {_IN_BETWEEN}",
        )
    if answer.status == 407:
        return NimbusConnectionError(
            f"A proxy on the way to {host} asks for a password.",
            passing=False,
            hint="Give user and password in the URL of HTTPS_PROXY.",
        )
    said = _Said.read(call, answer)
    # Not every service shouts its codes: NeuroAI's key_expired is the same word.
    kind = BY_CODE.get((said.code or "").upper()) or BY_STATUS.get(answer.status, ApiError)
    hint: str | None = None
    if said.is_foreign and answer.status < 500:
        kind, hint = (kind if answer.status == 429 else ApiError), _IN_BETWEEN
    text = f": {said.message}" if said.message else ""
    refusal = kind(
        f"{host} refused {call.name} with status {answer.status}{text}.".replace("..", "."),
        status=answer.status,
        request_id=said.request_id or request_id,
        retry_after=parse_retry_after(answer.headers),
        hint=hint,
    )
    # What the service did not say must not be mistaken for its word: a dead key is remembered by its code.
    refusal.code = said.code
    return refusal


class _Said:
    """What an error body says, in any of the shapes that the services use."""

    __slots__ = ("code", "is_foreign", "message", "request_id")

    def __init__(self, fields: Mapping[str, object] | None, secrets: tuple[str, ...]) -> None:
        self.is_foreign = fields is None
        outer = fields or {}
        error = outer.get("error")
        inner = error if isinstance(error, dict) else outer
        text = inner.get("message") or (error if isinstance(error, str) else None)
        self.message = sanitize(text, secrets) if isinstance(text, str) else None
        self.code = _word(inner.get("code"), secrets)
        self.request_id = _word(inner.get("requestId") or inner.get("request_id"), secrets)

    @classmethod
    def read(cls, call: Request, answer: Response) -> _Said:
        try:
            fields = answer.json()
        except ResponseFormatError:
            fields = None
        return cls(fields if isinstance(fields, dict) else None, call.hidden)


def _target(call: Request, answer: Response) -> str:
    try:
        host = urlsplit(answer.headers.get("location", "")).hostname
    except ValueError:
        host = None
    return sanitize(host or "", call.hidden, limit=80) or "an unnamed place"


def _word(value: object, secrets: tuple[str, ...]) -> str | None:
    if not isinstance(value, str):
        return None
    return sanitize(value, secrets, limit=80) or None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _first(errors: list[BaseException], kind: type[E]) -> E | None:
    return next((error for error in errors if isinstance(error, kind)), None)
