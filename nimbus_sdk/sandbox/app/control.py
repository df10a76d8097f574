"""The control plane: what :class:`~nimbus_sdk.sandbox.Sandbox` does in Python, for other processes over HTTP.

===============================  ==================================================================
``GET /_sandbox/journal``        ``{"exchanges": [...]}``, secrets masked; ``DELETE`` clears it
``GET /_sandbox/keys``           ``{"keys": [...]}``, masked
``POST /_sandbox/keys``          the arguments of ``new_key`` (``expires_at`` in ISO 8601)
                                 -> 201 ``{"key": ...}``
``POST .../keys/revoke``         ``{"key": key or fingerprint, "reason"?}`` -> ``{"revoked": true}``
``POST /_sandbox/faults``        the arguments of ``fault`` -> 201; ``DELETE`` clears all
``POST /_sandbox/releases``      the arguments of ``publish`` but ``wheel`` -> 201 and the release
``POST .../switches``            the fields of :class:`~nimbus_sdk.sandbox.http.faults.Switches`
``GET .../nimbus-os/keys``       the same for Nimbus OS: ``POST`` with the arguments of
                                 ``new_nimbus_os_key``, ``POST .../keys/revoke`` with ``{"key": key}``
``GET .../neuroai/keys``         the same for NeuroAI; revoke takes a secret or an id
``DELETE .../neuroai/users/ID``  deactivates an account: 204
``GET .../nexus/keys``           the same for Nexus
``PUT .../nexus/disabled/ID``    disables an integration or agent, ``DELETE`` enables it: 204
===============================  ==================================================================

All routes require ``Authorization: Bearer <control token>`` and a ``Host`` header that names the loopback, so
that no web page in a browser on this machine can use them. Bodies are JSON objects. Errors: 401 without the
token, 421 with a foreign host name, 400 ``{"error": text}`` for invalid arguments, 404 for a key that is not
active.
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
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.faults import parse_fault
from nimbus_sdk.sandbox.http.key_store import UnknownKeyError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_Action = Callable[[Request], Awaitable[Response]]


def control_routes(state: State) -> Mount:
    """Return the routes below ``/_sandbox``."""
    plane = _ControlPlane(state)
    nimbus_os, neuroai, nexus = state.nimbus_os.keys, state.neuroai.keys, state.nexus.keys

    actions: dict[str, dict[str, _Action]] = {
        "/journal": {"GET": plane.read_log, "DELETE": _call(state.log.clear)},
        "/keys": {
            "GET": _list(state.nimbus_api.keys.list_all),
            "POST": _create(state.nimbus_api.keys.create),
        },
        "/keys/revoke": {"POST": plane.revoke_license_key},
        "/faults": {"POST": plane.add_fault, "DELETE": _call(state.faults.clear)},
        "/releases": {"POST": plane.publish},
        "/switches": {"POST": plane.set_switches},
        "/nimbus-os/keys": {"GET": _list(nimbus_os.list_all), "POST": _create(nimbus_os.create)},
        "/nimbus-os/keys/revoke": {"POST": _revoke(nimbus_os.store.revoke)},
        "/neuroai/keys": {"GET": _list(neuroai.list_all), "POST": _create(neuroai.create)},
        "/neuroai/keys/revoke": {"POST": _revoke(neuroai.store.revoke)},
        "/neuroai/users/{name}": {"DELETE": _call_with_name(neuroai.deactivate_user)},
        "/nexus/keys": {"GET": _list(nexus.list_all), "POST": _create(nexus.create)},
        "/nexus/keys/revoke": {"POST": _revoke(nexus.store.revoke)},
        "/nexus/disabled/{name}": {
            "PUT": _call_with_name(nexus.disable),
            "DELETE": _call_with_name(nexus.enable),
        },
    }
    return Mount(
        "/_sandbox",
        routes=[
            Route(path, _ControlRoute(state.control_token, of_path)) for path, of_path in actions.items()
        ],
    )


class _ControlRoute:
    """A control route as an ASGI application: checks who asks, then runs the method's action."""

    def __init__(self, token: str, actions: dict[str, _Action]) -> None:
        self._token = token
        self._actions = actions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = self._refusal(request) or await self._run(request)
        await response(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() not in _LOOPBACK:
            return JSONResponse({"error": "The control plane answers on the loopback only."}, 421)
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return JSONResponse({"error": "The control token is missing or wrong."}, 401)
        return None

    async def _run(self, request: Request) -> Response:
        action = self._actions.get(request.method)
        if action is None:
            return JSONResponse({"error": "Method not allowed"}, 405, {"Allow": ", ".join(self._actions)})
        try:
            return await action(request)
        except ConfigurationError as error:
            return JSONResponse({"error": str(error)}, 400)


class _ControlPlane:
    """The actions that are more than one call."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def read_log(self, request: Request) -> Response:
        return JSONResponse({"exchanges": [exchange.to_dict() for exchange in self._state.log.exchanges()]})

    async def revoke_license_key(self, request: Request) -> Response:
        fields = await _json_object(request)
        reason = fields.get("reason")
        try:
            self._state.nimbus_api.keys.revoke(
                str(fields.get("key", "")), reason=None if reason is None else str(reason)
            )
        except UnknownKeyError as error:
            return JSONResponse({"error": str(error)}, 404)
        return JSONResponse({"revoked": True})

    async def add_fault(self, request: Request) -> Response:
        self._state.faults.add(parse_fault(await request.body()))
        return Response(status_code=201)

    async def publish(self, request: Request) -> Response:
        fields, github = await _json_object(request), self._state.github
        try:
            release = await asyncio.to_thread(github.releases.publish, **fields)  # type: ignore[arg-type]
        except TypeError as error:
            raise ConfigurationError(f"The release is invalid: {error}.") from error
        return JSONResponse(github.release_json(release), 201)

    async def set_switches(self, request: Request) -> Response:
        fields, switches = await _json_object(request), self._state.switches
        if unknown := sorted(fields.keys() - {field.name for field in dataclasses.fields(switches)}):
            raise ConfigurationError(f"There is no switch {', '.join(unknown)}.")
        if invalid := sorted(name for name, value in fields.items() if not _is_valid_switch(name, value)):
            raise ConfigurationError(f"{', '.join(invalid)}: give true or false, or seconds for a lifetime.")
        for name, value in fields.items():
            setattr(switches, name, value)
        return JSONResponse(dataclasses.asdict(switches))


def _is_valid_switch(name: str, value: object) -> bool:
    if not name.endswith("_lifetime"):
        return isinstance(value, bool)
    if value is None:
        return name == "token_lifetime"
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9


def _call(function: Callable[[], None]) -> _Action:
    async def action(request: Request) -> Response:
        function()
        return Response(status_code=204)

    return action


def _call_with_name(function: Callable[[str], None]) -> _Action:
    async def action(request: Request) -> Response:
        function(request.path_params["name"])
        return Response(status_code=204)

    return action


def _list(list_keys: Callable[[], list[dict[str, object]]]) -> _Action:
    async def action(request: Request) -> Response:
        return JSONResponse({"keys": list_keys()})

    return action


def _create(create_key: Callable[..., str]) -> _Action:
    async def action(request: Request) -> Response:
        options = await _json_object(request)
        try:
            if isinstance(options.get("expires_at"), str):
                options["expires_at"] = datetime.fromisoformat(str(options["expires_at"]))
            key = create_key(**options)
        except (TypeError, ValueError, AttributeError, OverflowError, sqlite3.IntegrityError) as error:
            raise ConfigurationError(f"The key is invalid: {error}.") from error
        return JSONResponse({"key": key}, 201)

    return action


def _revoke(revoke_key: Callable[[str], object]) -> _Action:
    async def action(request: Request) -> Response:
        key = str((await _json_object(request)).get("key", ""))
        try:
            revoke_key(key)
        except ConfigurationError as error:
            return JSONResponse({"error": str(error)}, 404)
        return JSONResponse({"revoked": True})

    return action


async def _json_object(request: Request) -> dict[str, object]:
    try:
        fields = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise ConfigurationError(f"The body is not JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise ConfigurationError("The body is not a JSON object.")
    return fields
