"""The Nimbus API: validate, refresh, revoke, GitHub token, analytics, health.

Source: the endpoint sections of the Nimbus API documentation. Bodies are written out here, field by
field, and share no code with the SDK that reads them.
"""

from __future__ import annotations

import json

from starlette.routing import Route

from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Visit, check_method
from nimbus_sdk.sandbox.http.refusals import Refused
from nimbus_sdk.sandbox.http.responses import Reply, json_reply
from nimbus_sdk.sandbox.http.times import iso
from nimbus_sdk.sandbox.nimbus_api.access import Limited, key_anywhere, key_in_body
from nimbus_sdk.sandbox.nimbus_api.keys import KeyRecord, check_format, check_quota

API_VERSION = "1.1.0"
EVENT_TYPES = ("inference", "model_load", "error")


def api_routes(state: State) -> list[Route]:
    """The routes below ``/v1`` that concern keys, and ``/api/health``."""
    limited = (
        ("/v1/auth/validate", Limited("validate", "POST", key_in_body, _validate)),
        ("/v1/auth/refresh", Limited("refresh", "POST", key_in_body, _refresh)),
        ("/v1/auth/revoke", Limited("revoke", "POST", key_in_body, _revoke)),
        ("/v1/installer/github-token", Limited("github_token", "GET, POST", key_anywhere, _github_token)),
        ("/v1/analytics/log", Limited("analytics", "POST", key_in_body, _analytics)),
    )
    return [
        *(Route(path, Endpoint(handler.endpoint, handler, state)) for path, handler in limited),
        Route("/api/health", Endpoint("health", _health, state)),
    ]


def _validate(visit: Visit, key: str) -> Reply:
    record = visit.state.keys.active(key)
    check_quota(record, "validate")
    holder: dict[str, object] = {"user_id": record.user_id, "email": record.email}
    if record.name is not None:
        holder["name"] = record.name
    if record.organization is not None:
        holder["organization"] = record.organization
    return json_reply(200, {"valid": True, **holder, **_license(visit, record)})


def _refresh(visit: Visit, key: str) -> Reply:
    record = visit.state.keys.active(key)
    check_quota(record, "refresh")
    return json_reply(200, {"valid": True, **_license(visit, record)})


def _license(visit: Visit, record: KeyRecord) -> dict[str, object]:
    return {
        "license_type": record.tier,
        "features": list(record.features),
        "quota": {
            "monthly_limit": record.monthly_limit,
            "used": record.used,
            "remaining": record.remaining,
            "resets_at": iso(visit.state.keys.resets_at()),
        },
        "expires_at": None if record.expires_at is None else iso(record.expires_at),
    }


def _revoke(visit: Visit, key: str) -> Reply:
    reason = (visit.json_object() or {}).get("reason")
    visit.state.keys.revoke(check_format(key), None if reason is None else str(reason))
    return json_reply(200, {"revoked": True, "message": "API key successfully revoked"})


def _github_token(visit: Visit, key: str) -> Reply:
    record = visit.state.keys.active(key)
    switches = visit.state.switches
    if not switches.github_configured:
        raise Refused(
            "NOT_CONFIGURED", "GitHub token is not configured on the server. Please contact support."
        )
    token, expires_at = visit.state.tokens.issue(record.key_hash, switches.token_lifetime)
    return json_reply(
        200,
        {
            "success": True,
            "github_token": token,
            "expires_at": None if expires_at is None else iso(expires_at),
            "message": "GitHub token retrieved successfully",
        },
    )


def _analytics(visit: Visit, key: str) -> Reply:
    record = visit.state.keys.active(key)
    event = dict(visit.json_object() or {})
    del event["api_key"]
    event_type = event.pop("event_type", None)
    if event_type not in EVENT_TYPES:
        known = f"event_type is one of {', '.join(EVENT_TYPES)}."
        raise Refused("MISSING_EVENT_TYPE", known if event_type else None)
    event_id, after = visit.state.keys.spend(record, str(event_type), json.dumps(event))
    quota = {"used": after.used, "remaining": after.remaining}
    return json_reply(202, {"logged": True, "event_id": event_id, "quota": quota})


async def _health(visit: Visit) -> Reply:
    check_method(visit, "GET")
    now = iso(visit.state.clock())
    if not (visit.state.switches.healthy and visit.state.database.answers()):
        unwell = {"status": "unhealthy", "timestamp": now, "error": "Database connection failed"}
        return json_reply(503, unwell)
    return json_reply(
        200, {"status": "healthy", "timestamp": now, "version": API_VERSION, "database": "connected"}
    )
