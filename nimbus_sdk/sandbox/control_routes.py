"""The control plane: what :class:`~nimbus_sdk.sandbox.Sandbox` does in Python, for other processes over HTTP.

All routes ask for ``Authorization: Bearer <control token>`` and a ``Host`` header that names the loopback, so
that no web page in a browser on this machine can drive them. Bodies are JSON objects.

==========================  =======================================================================
``GET /_sandbox/journal``   ``{"exchanges": [...]}``, secrets masked; ``DELETE`` clears it
``GET /_sandbox/keys``      ``{"keys": [...]}``, masked
``POST /_sandbox/keys``     the arguments of ``new_key`` (``expires_at`` in ISO 8601) -> 201 ``{"key": ...}``
``POST .../keys/revoke``    ``{"key": key or fingerprint, "reason"?}`` -> ``{"revoked": true}``
``POST /_sandbox/faults``   the arguments of ``fault`` -> 201; ``DELETE`` clears all
``POST /_sandbox/releases`` the arguments of ``publish`` but ``wheel`` -> 201 and the release
``POST .../switches``       any of ``github_configured``, ``healthy``, ``token_lifetime``, ``link_lifetime``
==========================  =======================================================================

Refusals: 401 without the token, 421 under a foreign host name, 400 ``{"error": text}`` for arguments that
cannot be used, 404 for a key that is not active.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.faults import fault_from_json
from nimbus_sdk.sandbox.github_routes import release_json
from nimbus_sdk.sandbox.new_keys import NewKey
from nimbus_sdk.sandbox.publishing import Order
from nimbus_sdk.sandbox.refusals import Refused
from nimbus_sdk.sandbox.state import State

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
Action = Callable[[State, Request], Awaitable[Response]]


class Control:
    """One control route.

    Args:
        state: The sandbox it drives.
        actions: What to do, by HTTP method.
    """

    def __init__(self, state: State, **actions: Action) -> None:
        self._state = state
        self._actions = actions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        request = Request(scope, receive)
        response = _foreign(self._state, request) or await self._act(request)
        await response(scope, receive, send)

    async def _act(self, request: Request) -> Response:
        action = self._actions.get(request.method)
        if action is None:
            return JSONResponse({"error": "Method not allowed"}, 405, {"Allow": ", ".join(self._actions)})
        try:
            return await action(self._state, request)
        except ConfigurationError as fault:
            return JSONResponse({"error": str(fault)}, 400)
        except Refused as refusal:
            return JSONResponse(refusal.body(), refusal.status)


def control_routes(state: State) -> Mount:
    """The routes below ``/_sandbox``."""
    return Mount(
        "/_sandbox",
        routes=[
            Route("/journal", Control(state, GET=_read_journal, DELETE=_clear_journal)),
            Route("/keys", Control(state, GET=_list_keys, POST=_create_key)),
            Route("/keys/revoke", Control(state, POST=_revoke_key)),
            Route("/faults", Control(state, POST=_add_fault, DELETE=_clear_faults)),
            Route("/releases", Control(state, POST=_publish)),
            Route("/switches", Control(state, POST=_switch)),
        ],
    )


def _foreign(state: State, request: Request) -> Response | None:
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _LOOPBACK:
        return JSONResponse({"error": "The control plane answers on the loopback only."}, 421)
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {state.control_token}".encode()):
        return JSONResponse({"error": "The control token is missing or wrong."}, 401)
    return None


async def _fields(request: Request) -> dict[str, object]:
    try:
        fields = json.loads(await request.body() or b"{}")
    except ValueError as fault:
        raise ConfigurationError(f"The body is not JSON: {fault}.") from fault
    if not isinstance(fields, dict):
        raise ConfigurationError("The body is not a JSON object.")
    return fields


async def _read_journal(state: State, _: Request) -> Response:
    return JSONResponse({"exchanges": [exchange.to_dict() for exchange in state.journal.exchanges()]})


async def _clear_journal(state: State, _: Request) -> Response:
    state.journal.clear()
    return Response(status_code=204)


async def _list_keys(state: State, _: Request) -> Response:
    return JSONResponse({"keys": state.keys.listing()})


async def _create_key(state: State, request: Request) -> Response:
    fields = await _fields(request)
    try:
        if isinstance(fields.get("expires_at"), str):
            fields["expires_at"] = datetime.fromisoformat(str(fields["expires_at"]))
        key = state.keys.create(NewKey(**fields))  # type: ignore[arg-type]
    except (TypeError, ValueError, sqlite3.IntegrityError) as fault:
        raise ConfigurationError(f"No key can be made of this: {fault}.") from fault
    return JSONResponse({"key": key}, 201)


async def _revoke_key(state: State, request: Request) -> Response:
    fields = await _fields(request)
    reason = fields.get("reason")
    state.keys.revoke(str(fields.get("key", "")), None if reason is None else str(reason))
    return JSONResponse({"revoked": True})


async def _add_fault(state: State, request: Request) -> Response:
    state.faults.add(fault_from_json(await request.body()))
    return Response(status_code=201)


async def _clear_faults(state: State, _: Request) -> Response:
    state.faults.clear()
    return Response(status_code=204)


async def _publish(state: State, request: Request) -> Response:
    try:
        order = Order(**{"version": "0.2.0", **await _fields(request)})  # type: ignore[arg-type]
    except TypeError as fault:
        raise ConfigurationError(f"No release can be made of this: {fault}.") from fault
    draft = await asyncio.to_thread(order.draft, state.workshop)
    release = await asyncio.to_thread(state.releases.publish, draft)
    return JSONResponse(release_json(state, release), 201)


async def _switch(state: State, request: Request) -> Response:
    fields = await _fields(request)
    known = {field.name for field in dataclasses.fields(state.switches)}
    if unknown := sorted(fields.keys() - known):
        raise ConfigurationError(f"There is no switch {', '.join(unknown)}.")
    for name, value in fields.items():
        setattr(state.switches, name, value)
    return JSONResponse(dataclasses.asdict(state.switches))
