"""Access to the Nimbus API: where a request carries its key, and the rate limits.

Source of the limits: the section "Rate Limiting" of the Nimbus API documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nimbus_sdk.sandbox.http.database import Clock
from nimbus_sdk.sandbox.http.rate_limits import RateLimiter
from nimbus_sdk.sandbox.http.requests import Handler, Request
from nimbus_sdk.sandbox.http.responses import HttpError, Response

_WINDOW_SECONDS = 60.0
_REQUESTS_PER_MINUTE: Mapping[str, int | None] = {
    "validate": 100,
    "refresh": 10,
    "revoke": 10,
    "github_token": 20,
    "models": 60,
    "analytics": 1000,
    "health": None,
}
_OTHER_ENDPOINTS = 1000


def key_in_body(request: Request) -> str:
    """Return the ``api_key`` of a JSON body; raise MISSING_KEY, or INVALID_FORMAT if it is not text."""
    return _require_text(request.require_json_object("MISSING_KEY").get("api_key"))


def key_in_header(request: Request) -> str:
    """Return the ``X-API-Key`` header; raise MISSING_KEY if there is none."""
    return _require_text(request.headers.get("x-api-key"))


def key_anywhere(request: Request) -> str:
    """Return the key of the header, or else of the JSON body of a POST, or else of the query of a GET."""
    if "x-api-key" in request.headers:
        return key_in_header(request)
    if request.method == "POST":
        return key_in_body(request)
    return _require_text(request.query.get("api_key"))


def _require_text(key: object) -> str:
    if key is None or key == "":
        raise HttpError("MISSING_KEY")
    if not isinstance(key, str):
        raise HttpError("INVALID_FORMAT")
    return key


class EndpointLimits:
    """Limits the requests a minute of each endpoint and key; overrides by endpoint, None removes a limit."""

    def __init__(self, clock: Clock, overrides: Mapping[str, int | None] | None) -> None:
        self._limits = {**_REQUESTS_PER_MINUTE, **(overrides or {})}
        self._limiter = RateLimiter(clock)

    def count(self, endpoint: str, caller: str) -> dict[str, str]:
        """Count a request of a key or address; return the limit's headers or raise RATE_LIMIT_EXCEEDED."""
        limit = self._limits.get(endpoint, _OTHER_ENDPOINTS)
        if limit is None:
            return {}
        headers = self._limiter.count(endpoint, caller, limit=limit, seconds=_WINDOW_SECONDS)
        if "Retry-After" in headers:
            raise HttpError("RATE_LIMIT_EXCEEDED", headers=headers)
        return headers

    def limited(
        self,
        endpoint: str,
        methods: str,
        find_key: Callable[[Request], str],
        respond: Callable[[Request, str], Response],
    ) -> Handler:
        """Return a handler that limits its requests and sends the limit's headers with every response."""

        async def handler(request: Request) -> Response:
            key, error = "", None
            try:
                request.require_method(methods, "METHOD_NOT_ALLOWED")
                key = find_key(request)
            except HttpError as refusal:
                error = refusal
            # A request without a usable key is counted as well, before it is refused.
            headers = self.count(endpoint, key or request.client_address)
            try:
                if error is not None:
                    raise error
                return respond(request, key).with_headers(headers)
            except HttpError as refusal:
                refusal.headers.update(headers)
                raise

        return handler
