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
``GET, POST /v1/agents``                   agents:read/write 200, 201: synthetic agents
``PATCH /v1/agents/{agent_id}``            agents:write      200
=========================================  ================  =========================================

Source: the section "Endpoints Summary" of the NeuroAI documentation for paths and methods; names on the wire
are an assumption of this SDK.
"""

from __future__ import annotations

from starlette.routing import Route

from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Visit
from nimbus_sdk.sandbox.neuroai.access import ANY_KEY, Answer, Guarded
from nimbus_sdk.sandbox.neuroai.agents import create_agent, list_agents, update_agent
from nimbus_sdk.sandbox.neuroai.errors import NeuroAiRefused
from nimbus_sdk.sandbox.neuroai.key_fields import LEAST, Traits, changed_traits, read_traits
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKey
from nimbus_sdk.sandbox.neuroai.wire import asked_page, key_row, page_json


def neuroai_routes(state: State) -> list[Route]:
    """The routes below ``/neuroai``."""
    read, write = "api_keys:read", "api_keys:write"
    keys = Guarded({"GET": (read, _list), "POST": (write, _create)})
    key = Guarded({"GET": (read, _get), "PATCH": (write, _update), "DELETE": (write, _delete)})
    agents = Guarded({"GET": ("agents:read", list_agents), "POST": ("agents:write", create_agent)})
    endpoints = (
        ("/v1/api-keys", "neuroai_keys", keys),
        ("/v1/api-keys/{key_id}", "neuroai_key", key),
        ("/v1/api-keys/{key_id}/rotate", "neuroai_rotate", Guarded({"POST": (write, _rotate)})),
        ("/v1/auth/verify", "neuroai_verify", Guarded({"GET": (ANY_KEY, _verify)})),
        ("/v1/audit-logs", "neuroai_audit", Guarded({"GET": ("audit_logs:read", _audit)})),
        ("/v1/agents", "neuroai_agents", agents),
        ("/v1/agents/{agent_id}", "neuroai_agents", Guarded({"PATCH": ("agents:write", update_agent)})),
        ("/{rest:path}", "neuroai", Guarded({})),
    )
    return [Route(f"/neuroai{path}", Endpoint(name, guarded, state)) for path, name, guarded in endpoints]


def _list(visit: Visit, _: NeuroAiKey) -> Answer:
    page = asked_page(visit.request.query_params)
    keys = visit.state.neuroai.after(page.after, page.limit + 1)
    return 200, page_json([(key.number, key_row(key)) for key in keys], page.limit)


def _create(visit: Visit, caller: NeuroAiKey) -> Answer:
    fields = _body(visit)
    if fields.get("role") is None and fields.get("permissions") is None:
        inherits = fields.get("type", "personal") == "personal"
        own = caller.traits.to_fields()
        role = {"role": own["role"], "permissions": own["permissions"]} if inherits else {"role": LEAST}
        fields = {**fields, **role}
    try:
        traits = read_traits(fields)
    except ValueError as fault:
        raise NeuroAiRefused("invalid_request", str(fault)) from fault
    ceiling = caller.traits.permissions if traits.type == "personal" else None
    _check_ceiling(traits, None if ceiling is None else frozenset(ceiling))
    _check_expiry(visit, fields, traits)
    key, secret = visit.state.neuroai.create(traits, caller.user, ceiling)
    return 201, {**key_row(key), "key": secret}


def _get(visit: Visit, _: NeuroAiKey) -> Answer:
    return 200, key_row(_asked_key(visit))


def _update(visit: Visit, _: NeuroAiKey) -> Answer:
    key, changes = _asked_key(visit), _body(visit)
    try:
        traits = changed_traits(key.traits, changes)
    except ValueError as fault:
        raise NeuroAiRefused("invalid_request", str(fault)) from fault
    _check_ceiling(traits, key.ceiling)
    _check_expiry(visit, changes, traits)
    return 200, key_row(visit.state.neuroai.update(key, traits))


def _delete(visit: Visit, _: NeuroAiKey) -> Answer:
    if not visit.state.neuroai.delete(visit.request.path_params["key_id"]):
        raise NeuroAiRefused("not_found", "API key not found")
    return 204, None


def _rotate(visit: Visit, _: NeuroAiKey) -> Answer:
    key = _asked_key(visit)
    expires_at = key.traits.expires_at
    if expires_at is not None and expires_at <= visit.state.clock():
        raise NeuroAiRefused("conflict", "An expired key cannot be rotated: set its expires_at first.")
    rotated, secret = visit.state.neuroai.rotate(key)
    return 200, {**key_row(rotated), "key": secret}


def _verify(_: Visit, caller: NeuroAiKey) -> Answer:
    return 200, {"valid": True, "key": key_row(caller)}


def _audit(visit: Visit, _: NeuroAiKey) -> Answer:
    page = asked_page(visit.request.query_params)
    return 200, page_json(visit.state.neuroai_audit.after(page.after, page.limit + 1), page.limit)


def _asked_key(visit: Visit) -> NeuroAiKey:
    key = visit.state.neuroai.by_id(visit.request.path_params["key_id"])
    if key is None:
        raise NeuroAiRefused("not_found", "API key not found")
    return key


def _body(visit: Visit) -> dict[str, object]:
    body = visit.json_object()
    if body is None:
        raise NeuroAiRefused("invalid_request", "The body must be a JSON object, sent as application/json.")
    return body


def _check_ceiling(traits: Traits, ceiling: frozenset[str] | None) -> None:
    if ceiling is not None and not ceiling.issuperset(traits.permissions):
        raise NeuroAiRefused("forbidden", "A personal key cannot exceed its creator's permissions")


def _check_expiry(visit: Visit, fields: dict[str, object], traits: Traits) -> None:
    if "expires_at" in fields and traits.expires_at is not None and traits.expires_at <= visit.state.clock():
        raise NeuroAiRefused("invalid_request", "expires_at is in the past.")
