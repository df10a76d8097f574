"""Requests as handlers see them, and the routes that lead to handlers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nimbus_sdk.sandbox.http.responses import ErrorFormat, HttpError, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request with its whole body; its path has no query, its headers have lower-case names."""

    method: str
    path: str
    path_params: Mapping[str, Any]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client_address: str
    request_id: str

    def json_object(self) -> dict[str, object] | None:
        """Return the body if it is a JSON object sent as ``application/json``, else None."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return None
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def require_json_object(self, code: str) -> dict[str, object]:
        """Return ``json_object``, or raise an HttpError with a code of the service."""
        body = self.json_object()
        if body is None:
            raise HttpError(code, "The body must be a JSON object, sent as application/json.")
        return body

    def require_method(self, allowed: str, code: str) -> None:
        """Raise an HttpError with a code unless the method is one of those allowed, such as ``GET, POST``."""
        if self.method not in allowed.split(", "):
            raise HttpError(code, headers={"Allow": allowed})


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ServiceRoute:
    """A path pattern of a service, its endpoint's name, and its handler, which can raise ``HttpError``."""

    path: str
    endpoint: str
    handler: Handler
    errors: ErrorFormat
