"""Requests as handlers see them, and the routes that lead to handlers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nimbus_sdk.sandbox.http.errors import ErrorFormat, HttpError
from nimbus_sdk.sandbox.http.responses import Response


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
        """Raise an HttpError with a code of the service unless the method is allowed.

        Args:
            allowed: Methods as in the ``Allow`` header, such as ``GET, POST``.
            code: The service's code for other methods.
        """
        if self.method not in allowed.split(", "):
            raise HttpError(code, headers={"Allow": allowed})


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ServiceRoute:
    """A path of a service.

    Attributes:
        path: Path pattern, as Starlette writes it.
        endpoint: Name of the endpoint, for faults and the request log.
        handler: Returns the response; an ``HttpError`` becomes an error body.
        errors: Format of the error bodies.
    """

    path: str
    endpoint: str
    handler: Handler
    errors: ErrorFormat
