"""Access to NeuroAI: bearer key, expiry, restrictions, permissions, and the audit log.

Source: the section "Troubleshooting" of the NeuroAI documentation names the errors (401, 403, 429, expired
key, referrer restrictions); its samples are missing, so codes and form are an assumption of this SDK.
"Monitoring and Logging" names what the log has: usage, failed attempts, unexpected locations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.faults import Switches
from nimbus_sdk.sandbox.http.masking import mask_text
from nimbus_sdk.sandbox.http.rate_limits import RateLimiter
from nimbus_sdk.sandbox.http.requests import Handler, Request
from nimbus_sdk.sandbox.http.responses import ErrorFormat, HttpError, Response, iso, json_response
from nimbus_sdk.sandbox.neuroai.key_fields import is_allowed_from
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKey, NeuroAiKeys

Answer = tuple[int, object]
"""Status and JSON body; None means no body."""
Action = Callable[[Request, NeuroAiKey], Answer]
Actions = Mapping[str, tuple[str | None, Action]]
"""By HTTP method, the permission that it needs (``ANY_KEY`` for none) and the action."""
ANY_KEY = None
NEUROAI_ERRORS = ErrorFormat(
    codes={
        "unauthorized": (401, "Invalid or missing API key"),
        "key_expired": (401, "API key has expired"),
        "forbidden": (403, "API key lacks the required permission"),
        "referrer_denied": (403, "API key is not allowed from this referrer"),
        "not_found": (404, "Resource not found"),
        "method_not_allowed": (405, "Method not allowed"),
        "conflict": (409, "Conflict"),
        "payload_too_large": (413, "Request body is too large"),
        "invalid_request": (422, "Invalid request"),
        "rate_limited": (429, "Rate limit exceeded"),
        "internal_error": (500, "Internal server error"),
        "service_unavailable": (503, "Service unavailable"),
    },
    default_code="internal_error",
    body=lambda error: {"error": {"code": error.code, "message": error.message or error.text}},
)


class AccessControl:
    """Checks the key of every request and records every request in the audit log."""

    def __init__(self, database: Database, keys: NeuroAiKeys, switches: Switches) -> None:
        self._database = database
        self._keys = keys
        self._clock = database.clock
        self._switches = switches
        self._limiter = RateLimiter(database.clock)

    def protect(self, actions: Actions) -> Handler:
        """Return a handler that runs these actions for keys with the permission."""

        async def handler(request: Request) -> Response:
            key, code = self._keys.find(_bearer_token(request)), None
            try:
                status, body = self._run(request, key, actions)
                if self._switches.neuroai_camel_case:
                    body = camel_case(body)
                response = Response(status) if body is None else json_response(status, body)
            except HttpError as error:
                code = error.code
                response = NEUROAI_ERRORS.response(error, request.request_id)
            self._record(request, key, response.status, code)
            return response

        return handler

    def audit_log(self, after: int, count: int) -> list[tuple[int, dict[str, object]]]:
        """Return the entries after the one of a number, oldest first, with their numbers."""
        rows = self._database.fetch_all(
            "SELECT number, at, entry FROM neuroai_log WHERE number > ? ORDER BY number LIMIT ?",
            (after, count),
        )
        return [
            (number, {"id": f"log_{number}", "created_at": iso(at), **json.loads(entry)})
            for number, at, entry in rows
        ]

    def _record(self, request: Request, key: NeuroAiKey | None, status: int, code: str | None) -> None:
        referrer = request.headers.get("referer")
        entry = {
            "key_id": None if key is None else key.stored.id,
            "method": request.method,
            "path": mask_text(request.path.removeprefix("/neuroai")),
            "status": status,
            "code": code,
            "ip": request.client_address,
            "referrer": None if referrer is None else mask_text(referrer.partition("?")[0]),
            "request_id": mask_text(request.request_id),
        }
        statement = "INSERT INTO neuroai_log (at, entry) VALUES (?, ?)"
        self._database.execute(statement, (self._clock(), json.dumps(entry)))

    def _run(self, request: Request, key: NeuroAiKey | None, actions: Actions) -> Answer:
        if key is None:
            raise HttpError("unauthorized")
        self._check_restrictions(request, key)
        if not actions:
            raise HttpError("not_found")
        request.require_method(", ".join(actions), "method_not_allowed")
        permission, action = actions[request.method]
        if permission is not ANY_KEY and permission not in key.fields.granted_permissions:
            raise HttpError("forbidden", f"API key lacks the permission {permission}")
        return action(request, self._keys.mark_used(key))

    def _check_restrictions(self, request: Request, key: NeuroAiKey) -> None:
        fields, limit = key.fields, key.fields.rate_limit
        if key.is_expired(self._clock()):
            raise HttpError("key_expired")
        referrer = request.headers.get("referer") or request.headers.get("origin", "")
        if fields.referrers and not is_allowed_from(fields.referrers, referrer, request.client_address):
            raise HttpError("referrer_denied")
        if limit is not None:
            allowance = self._limiter.count(
                "", key.stored.id, limit=limit["requests"], seconds=limit["per_seconds"]
            )
            if "Retry-After" in allowance:
                raise HttpError("rate_limited", headers={"Retry-After": allowance["Retry-After"]})


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def camel_case(value: object) -> object:
    """Return JSON with its names in camelCase.

    Examples:
        >>> camel_case({"next_cursor": None, "data": [{"key_prefix": "nai_1"}]})
        {'nextCursor': None, 'data': [{'keyPrefix': 'nai_1'}]}
    """
    if isinstance(value, dict):
        return {_camel_name(name): camel_case(item) for name, item in value.items()}
    return [camel_case(item) for item in value] if isinstance(value, list) else value


def _camel_name(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
