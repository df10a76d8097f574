"""The control plane: what :class:`~nimbus_sdk.sandbox.Sandbox` does in Python, for other processes over HTTP.

===============================  ==================================================================
``GET /_sandbox/journal``        ``{"exchanges": [...]}``, secrets masked; ``DELETE`` clears it
``GET /_sandbox/keys``           ``{"keys": [...]}``, masked
``POST /_sandbox/keys``          the arguments of ``new_key`` (``expires_at`` in ISO 8601)
                                 -> 201 ``{"key": ...}``
``POST .../keys/revoke``         ``{"key": key or fingerprint, "reason"?}`` -> ``{"revoked": true}``
``POST /_sandbox/faults``        the arguments of ``fault`` -> 201; ``DELETE`` clears all
``POST /_sandbox/releases``      the arguments of ``publish`` but ``wheel`` -> 201 and the release
``POST .../switches``            the fields of :class:`~nimbus_sdk.sandbox.app.state.Switches`
``GET .../nimbus-os/keys``       the same for Nimbus OS: ``POST`` with the arguments of
                                 ``new_nimbus_os_key``, ``POST .../keys/revoke`` with ``{"key": key}``
``GET .../neuroai/keys``         the same for NeuroAI; revoke takes a secret or an id
``DELETE .../neuroai/users/ID``  deactivates an account: 204
``GET .../nexus/keys``           the same for Nexus
``PUT .../nexus/disabled/ID``    switches an integration or agent off, ``DELETE`` on again: 204
===============================  ==================================================================

Who may use them is told in :mod:`control_plane`. Refusals: 401 without the token, 421 under a foreign host
name, 400 ``{"error": text}`` for arguments that cannot be used, 404 for a key that is not active.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.app.control import Control, json_fields
from nimbus_sdk.sandbox.app.control_service_routes import system_routes
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.github.publishing import Order
from nimbus_sdk.sandbox.github.routes import release_json
from nimbus_sdk.sandbox.http.faults import fault_from_json
from nimbus_sdk.sandbox.nimbus_api.keys import NewKey


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
            *system_routes(state),
        ],
    )


async def _read_journal(state: State, _: Request) -> Response:
    return JSONResponse({"exchanges": [exchange.to_dict() for exchange in state.journal.exchanges()]})


async def _clear_journal(state: State, _: Request) -> Response:
    state.journal.clear()
    return Response(status_code=204)


async def _list_keys(state: State, _: Request) -> Response:
    return JSONResponse({"keys": state.keys.listing()})


async def _create_key(state: State, request: Request) -> Response:
    fields = await json_fields(request)
    try:
        if isinstance(fields.get("expires_at"), str):
            fields["expires_at"] = datetime.fromisoformat(str(fields["expires_at"]))
        key = state.keys.create(NewKey(**fields))  # type: ignore[arg-type]
    except (TypeError, ValueError, sqlite3.IntegrityError) as fault:
        raise ConfigurationError(f"No key can be made of this: {fault}.") from fault
    return JSONResponse({"key": key}, 201)


async def _revoke_key(state: State, request: Request) -> Response:
    fields = await json_fields(request)
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
        order = Order(**{"version": "0.2.0", **await json_fields(request)})  # type: ignore[arg-type]
    except TypeError as fault:
        raise ConfigurationError(f"No release can be made of this: {fault}.") from fault
    draft = await asyncio.to_thread(order.draft, state.workshop)
    release = await asyncio.to_thread(state.releases.publish, draft)
    return JSONResponse(release_json(state, release), 201)


async def _switch(state: State, request: Request) -> Response:
    fields = await json_fields(request)
    known = {field.name for field in dataclasses.fields(state.switches)}
    if unknown := sorted(fields.keys() - known):
        raise ConfigurationError(f"There is no switch {', '.join(unknown)}.")
    if unfit := sorted(name for name, value in fields.items() if not _fits(name, value)):
        raise ConfigurationError(f"{', '.join(unfit)}: give true or false, or seconds for a lifetime.")
    for name, value in fields.items():
        setattr(state.switches, name, value)
    return JSONResponse(dataclasses.asdict(state.switches))


def _fits(switch: str, value: object) -> bool:
    if not switch.endswith("_lifetime"):
        return isinstance(value, bool)
    if value is None:
        return switch == "token_lifetime"
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9
