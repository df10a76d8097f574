"""The one map from responses to the errors of the SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from nimbus_sdk import errors
from nimbus_sdk.transport.connection_errors import CLIENT_CERTIFICATE_HINT
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.redaction import sanitize
from nimbus_sdk.transport.retry import parse_retry_after

BY_CODE: dict[str, type[errors.ApiError]] = {
    kind.default_code: kind for kind in errors.ApiError.__subclasses__() if kind.default_code is not None
}
BY_STATUS: dict[int, type[errors.ApiError]] = {
    401: errors.InvalidKeyError,
    403: errors.PermissionDeniedError,
    405: errors.MethodNotAllowedError,
    429: errors.RateLimitError,
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.ServerError,
    504: errors.ServerError,
}
_SECONDARY_LIMIT_SECONDS = 60.0
"""The wait for a secondary rate limit without Retry-After; source: GitHub's documentation of its limits."""

_CLIENT_CERTIFICATE_PAGE = re.compile(rb"(?i)\b(?:client|ssl) certificate\b")
_CAPTIVE_PORTAL_HINT = (
    "That did not come from the service itself: a captive portal or a proxy may be in between. "
    "Open a web page in a browser, log in to the network, then try again."
)


def raise_for_status(request: Request, response: Response) -> Response:
    """Return the response unless it is a refusal; its class follows from its code, or else its status."""
    if 200 <= response.status < 300:
        return response
    refusal = _refusal(request, response)
    # An accepted 403 that is a limit on requests is not an answer: another attempt may succeed.
    if response.status in request.accept and (
        response.status != 403 or type(refusal) is not errors.RateLimitError
    ):
        return response
    raise refusal


def quote_message(response: Response) -> str:
    """Return what a response says about itself, to be appended to a message; empty if it says nothing."""
    message = _ErrorBody.read(response, response.secrets).message
    return f": {message.rstrip('.')}" if message else ""


def _refusal(request: Request, response: Response) -> errors.NimbusError:
    host, request_id = urlsplit(request.url).netloc, _short_text(response.request_id, request.maskable)
    if 300 <= response.status < 400:
        return errors.ApiError(
            f"{host} answered {request.name} with a redirect to {_redirect_host(request, response)}, "
            "which is not followed, so that no key is sent to another host.",
            status=response.status,
            request_id=request_id,
            hint=f"Check NIMBUS_SDK_API_URL. {_CAPTIVE_PORTAL_HINT}",
        )
    if response.status == 407:
        return errors.NimbusConnectionError(
            f"A proxy on the way to {host} asks for a password.",
            passing=False,
            hint="Give user and password in the URL of HTTPS_PROXY.",
        )
    body = _ErrorBody.read(response, request.maskable)
    retry_after = parse_retry_after(response.headers)
    # NeuroAI writes its codes in lower case.
    kind = BY_CODE.get((body.code or "").upper()) or BY_STATUS.get(response.status, errors.ApiError)
    hint: str | None = None
    # A code of the service names the cause; GitHub gives none.
    if kind is errors.PermissionDeniedError and body.code is None and _is_rate_limit(request, response, body):
        kind = errors.RateLimitError
        retry_after = _SECONDARY_LIMIT_SECONDS if retry_after is None else retry_after
    elif body.is_foreign and response.status < 500:
        wants_certificate = _CLIENT_CERTIFICATE_PAGE.search(response.body) is not None
        hint = (
            f"It asks for a client certificate. {CLIENT_CERTIFICATE_HINT}"
            if wants_certificate
            else _CAPTIVE_PORTAL_HINT
        )
        kind = kind if response.status == 429 else errors.ApiError
    text = f": {body.message}" if body.message else ""
    wait = f" It asks to wait {retry_after:.0f} s." if kind is errors.RateLimitError and retry_after else ""
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
        except errors.ResponseFormatError:
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
