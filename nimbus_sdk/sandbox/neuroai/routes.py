"""NeuroAI: the whole life of its keys, verification and the audit log.

=========================================  ================  =========================================
``POST /v1/api-keys``                      api_keys:write    201 the row and ``key``, the secret
``GET /v1/api-keys?limit=&cursor=``        api_keys:read     200 ``{"data": [row, ...], "next_cursor"}``
``GET /v1/api-keys/{key_id}``              api_keys:read     200 the row
``PATCH /v1/api-keys/{key_id}``            api_keys:write    200 the row
``DELETE /v1/api-keys/{key_id}``           api_keys:write    204
``POST /v1/api-keys/{key_id}/rotate``      api_keys:write    200 the row and ``key``, the new secret
``GET /v1/auth/verify``                    any key           200 ``{"valid": true, "key": row}``
``GET /v1/audit-logs?limit=&cursor=``      audit_logs:read   200 ``{"data": [entry, ...], "next_cursor"}``
``GET, POST /v1/agents``                   agents:read/write 200, 201: synthetic agents, in memory
``PATCH /v1/agents/{agent_id}``            agents:write      200
=========================================  ================  =========================================

Source: the sections "Endpoints Summary", "Monitoring and Logging" (the log has usage, failed attempts,
unexpected locations) and "Troubleshooting" (401, 403, 429, expired key, referrers) of the NeuroAI
documentation. Its samples are missing: codes, form and names on the wire are an assumption of this SDK.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.faults import Switches
from nimbus_sdk.sandbox.http.masking import mask_text
from nimbus_sdk.sandbox.http.rate_limits import RateLimiter
from nimbus_sdk.sandbox.http.requests import Handler, Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import ErrorFormat, HttpError, Response, iso, json_response
from nimbus_sdk.sandbox.neuroai.keys import (
    LEAST_ROLE,
    KeyFields,
    NeuroAiKey,
    NeuroAiKeys,
    change_key_fields,
    is_allowed_from,
    parse_key_fields,
)

MAX_AGENT_NAME_LENGTH = 100
DEFAULT_LIMIT = 20
MAX_LIMIT = 100
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


class NeuroAi:
    """NeuroAI with its keys, agents, and the audit log of every request, with or without a valid key."""

    def __init__(self, database: Database, switches: Switches) -> None:
        self.keys = NeuroAiKeys(database)
        self._database = database
        self._clock = database.clock
        self._switches = switches
        self._limiter = RateLimiter(database.clock)
        self._agents = {"agt_sandbox": "Sandbox agent"}

    def routes(self) -> list[ServiceRoute]:
        """Return the routes below ``/neuroai``."""
        read, write = "api_keys:read", "api_keys:write"
        endpoints: tuple[tuple[str, str, Actions], ...] = (
            ("/v1/api-keys", "neuroai_keys", {"GET": (read, self._list), "POST": (write, self._create)}),
            (
                "/v1/api-keys/{key_id}",
                "neuroai_key",
                {"GET": (read, self._get), "PATCH": (write, self._update), "DELETE": (write, self._delete)},
            ),
            ("/v1/api-keys/{key_id}/rotate", "neuroai_rotate", {"POST": (write, self._rotate)}),
            ("/v1/auth/verify", "neuroai_verify", {"GET": (ANY_KEY, self._verify)}),
            ("/v1/audit-logs", "neuroai_audit", {"GET": ("audit_logs:read", self._list_audit)}),
            (
                "/v1/agents",
                "neuroai_agents",
                {"GET": ("agents:read", self._list_agents), "POST": ("agents:write", self._create_agent)},
            ),
            ("/v1/agents/{agent_id}", "neuroai_agents", {"PATCH": ("agents:write", self._update_agent)}),
            ("/{rest:path}", "neuroai", {}),
        )
        return [
            ServiceRoute(f"/neuroai{path}", name, self._protected(actions), NEUROAI_ERRORS)
            for path, name, actions in endpoints
        ]

    def _protected(self, actions: Actions) -> Handler:
        """Return a handler that runs these actions for keys with the permission."""

        async def handler(request: Request) -> Response:
            key, code = self.keys.find(_bearer_token(request)), None
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
        return action(request, self.keys.mark_used(key))

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

    def _list(self, request: Request, caller: NeuroAiKey) -> Answer:
        return _page(request, self.keys.page)

    def _create(self, request: Request, caller: NeuroAiKey) -> Answer:
        body = request.require_json_object("invalid_request")
        if body.get("role") is None and body.get("permissions") is None:
            is_personal = body.get("type", "personal") == "personal"
            own = {"role": caller.fields.role, "permissions": caller.fields.permissions}
            body |= own if is_personal else {"role": LEAST_ROLE}
        fields = parse_key_fields(body)
        ceiling = caller.fields.granted_permissions if fields.type == "personal" else None
        _check_ceiling(fields, ceiling)
        self._check_expiry(body, fields)
        key, secret = self.keys.add(fields, caller.stored.fields["user"], ceiling)
        return 201, {**key.to_json(), "key": secret}

    def _get(self, request: Request, caller: NeuroAiKey) -> Answer:
        return 200, self._require_key(request).to_json()

    def _update(self, request: Request, caller: NeuroAiKey) -> Answer:
        key, changes = self._require_key(request), request.require_json_object("invalid_request")
        fields = change_key_fields(key.fields, changes)
        _check_ceiling(fields, key.stored.fields["ceiling"])
        self._check_expiry(changes, fields)
        return 200, self.keys.update(key, fields).to_json()

    def _delete(self, request: Request, caller: NeuroAiKey) -> Answer:
        self.keys.store.revoke(self._require_key(request).stored.id)
        return 204, None

    def _rotate(self, request: Request, caller: NeuroAiKey) -> Answer:
        key = self._require_key(request)
        if key.is_expired(self._clock()):
            raise HttpError("conflict", "An expired key cannot be rotated: set its expires_at first.")
        rotated, secret = self.keys.rotate(key)
        return 200, {**rotated.to_json(), "key": secret}

    def _verify(self, request: Request, caller: NeuroAiKey) -> Answer:
        return 200, {"valid": True, "key": caller.to_json()}

    def _list_audit(self, request: Request, caller: NeuroAiKey) -> Answer:
        return _page(request, self._fetch_audit)

    def _fetch_audit(self, after: int, count: int) -> list[tuple[int, object]]:
        statement = "SELECT number, at, entry FROM neuroai_log WHERE number > ? ORDER BY number LIMIT ?"
        return [
            (number, {"id": f"log_{number}", "created_at": iso(at), **json.loads(entry)})
            for number, at, entry in self._database.fetch_all(statement, (after, count))
        ]

    def _list_agents(self, request: Request, caller: NeuroAiKey) -> Answer:
        rows = [{"id": agent_id, "name": name} for agent_id, name in self._agents.items()]
        return 200, {"data": rows, "next_cursor": None}

    def _create_agent(self, request: Request, caller: NeuroAiKey) -> Answer:
        return 201, self._store_agent(f"agt_{secrets.token_hex(8)}", request)

    def _update_agent(self, request: Request, caller: NeuroAiKey) -> Answer:
        agent_id = request.path_params["agent_id"]
        if agent_id not in self._agents:
            raise HttpError("not_found")
        return 200, self._store_agent(agent_id, request)

    def _store_agent(self, agent_id: str, request: Request) -> dict[str, str]:
        name = (request.json_object() or {}).get("name")
        if not isinstance(name, str) or not 0 < len(name) <= MAX_AGENT_NAME_LENGTH:
            raise HttpError("invalid_request", f"name is a text of 1 to {MAX_AGENT_NAME_LENGTH} characters.")
        self._agents[agent_id] = name
        return {"id": agent_id, "name": name}

    def _require_key(self, request: Request) -> NeuroAiKey:
        key = self.keys.find_by_id(request.path_params["key_id"])
        if key is None:
            raise HttpError("not_found", "API key not found")
        return key

    def _check_expiry(self, body: dict[str, object], fields: KeyFields) -> None:
        if "expires_at" in body and fields.expires_at is not None and fields.expires_at <= self._clock():
            raise HttpError("invalid_request", "expires_at is in the past.")


def _check_ceiling(fields: KeyFields, ceiling: list[str] | None) -> None:
    if ceiling is not None and not set(ceiling).issuperset(fields.granted_permissions):
        raise HttpError("forbidden", "A personal key cannot exceed its creator's permissions")


def _page(request: Request, fetch: Callable[[int, int], Sequence[tuple[int, object]]]) -> Answer:
    """Return the requested page of rows; ``fetch`` returns a count of them after the one of a number."""
    limit, cursor = request.query.get("limit", str(DEFAULT_LIMIT)), request.query.get("cursor", "0")
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 0 < int(limit) <= MAX_LIMIT:
        raise HttpError("invalid_request", f"limit is a number from 1 to {MAX_LIMIT}.")
    if not re.fullmatch(r"[0-9]{1,18}", cursor):
        raise HttpError("invalid_request", "cursor does not come from a list.")
    rows = fetch(int(cursor), int(limit) + 1)
    page = rows[: int(limit)]
    next_cursor = str(page[-1][0]) if len(rows) > len(page) else None
    return 200, {"data": [row for _, row in page], "next_cursor": next_cursor}


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def camel_case(value: object) -> object:
    """Return JSON with its names in camelCase."""
    if isinstance(value, dict):
        return {_camel_name(name): camel_case(item) for name, item in value.items()}
    return [camel_case(item) for item in value] if isinstance(value, list) else value


def _camel_name(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
