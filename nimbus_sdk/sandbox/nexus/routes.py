"""Nexus: an agent that answers a thread, and says that it is none.

``POST /nexus/api/public/thread`` with ``{"message": text}`` and a key that may ``write`` answers 201
``{"threadId", "agentId", "reply"}``.

Source: the Nexus API documentation for header, path, body, 401 and 403. It shows no answer to a thread: this
one is made up. The one documented 403 covers a disabled integration, a restricted agent and a missing
permission.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.errors import ErrorFormat, HttpError
from nimbus_sdk.sandbox.http.requests import Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import Response, json_response
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.nexus.keys import NexusKeys

_ERRORS = ErrorFormat(
    codes={
        "Bad Request": (400, "Bad request"),
        "Unauthorized": (401, "Invalid API key"),
        "Forbidden": (403, "Insufficient permissions"),
        "Not Found": (404, "Not found"),
        "Method Not Allowed": (405, "Method not allowed"),
        "Payload Too Large": (413, "Request body is too large"),
        "Too Many Requests": (429, "Rate limit exceeded"),
        "Internal Server Error": (500, "Internal server error"),
        "Bad Gateway": (502, "Bad gateway"),
        "Service Unavailable": (503, "Service unavailable"),
        "Gateway Timeout": (504, "Gateway timeout"),
    },
    default_code="Internal Server Error",
    body=lambda error: {
        "statusCode": error.status,
        "message": error.message or error.text,
        "error": error.code,
    },
)


class Nexus:
    """Nexus with its keys."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.keys = NexusKeys(database, clock)

    def routes(self) -> list[ServiceRoute]:
        """Return the routes below ``/nexus``."""
        return [
            ServiceRoute("/nexus/api/public/thread", "nexus_thread", self._start_thread, _ERRORS),
            ServiceRoute("/nexus/{rest:path}", "nexus", _not_found, _ERRORS),
        ]

    async def _start_thread(self, request: Request) -> Response:
        request.require_method("POST", "Method Not Allowed")
        claims = self._require_claims(request)
        message = (request.json_object() or {}).get("message")
        if not isinstance(message, str) or not message.strip():
            raise HttpError("Bad Request", "message should be a text that is not empty")
        reply = (
            f"[sandbox] No agent read this message of {len(message)} characters; "
            "this reply is the same for every message."
        )
        thread = {"threadId": f"thr_{secrets.token_hex(8)}", "agentId": claims["agentId"], "reply": reply}
        return json_response(201, thread)

    def _require_claims(self, request: Request) -> Mapping[str, Any]:
        # "Bearer eyJ…" and keys in other headers are rejected as well: neither is a key of the sandbox.
        claims = self.keys.find_active(request.headers.get("api-key", ""))
        if claims is None:
            raise HttpError("Unauthorized")
        if "write" not in claims["permissions"] or self.keys.is_disabled(claims):
            raise HttpError("Forbidden")
        return claims


async def _not_found(request: Request) -> Response:
    raise HttpError("Not Found")
