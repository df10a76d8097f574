"""The control plane: what ``nimbus_sdk.sandbox.Sandbox`` does in Python, for other processes over HTTP.

===============================  ==================================================================
``GET /_sandbox/journal``        ``{"exchanges": [...]}``, secrets masked; ``DELETE`` clears it
``GET /_sandbox/keys``           ``{"keys": [...]}``, masked
``POST /_sandbox/keys``          the arguments of ``new_key`` (``expires_at`` in ISO 8601)
                                 -> 201 ``{"key": ...}``
``POST .../keys/revoke``         ``{"key": key or fingerprint, "reason"?}`` -> ``{"revoked": true}``
``GET /_sandbox/usage``          ``{"days": [...]}``: the events of each day by type
``GET /_sandbox/environment``    the variables that point the SDK to it, and the names of its endpoints
``GET /_sandbox/faults``         ``{"faults": [...]}`` to come; ``POST`` the arguments of ``fault`` -> 201;
                                 ``DELETE`` clears all
``POST /_sandbox/releases``      the arguments of ``publish`` -> 201 and the release
``GET .../switches``             the fields of ``nimbus_sdk.sandbox.http.faults.Switches``; ``POST`` sets some
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
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.database import UnknownKeyError
from nimbus_sdk.sandbox.http.faults import ENDPOINTS, Fault, Switches

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_Action = Callable[..., tuple[int, object]]
"""Takes the fields of the body and of the path; returns status and JSON, or None for no body."""
_Actions = Mapping[str, Mapping[str, _Action]]
"""Actions by path and HTTP method."""


def control_routes(state: State) -> Mount:
    """Return the routes below ``/_sandbox``."""
    licenses, neuroai = state.nimbus_api.keys, state.neuroai.keys
    nimbus_os, nexus, github, log, faults = (
        state.nimbus_os,
        state.nexus,
        state.github,
        state.log,
        state.faults,
    )

    def revoke_license_key(key: str = "", reason: object = None, **_: object) -> None:
        licenses.revoke(str(key), reason=None if reason is None else str(reason))

    actions: _Actions = {
        "/journal": {
            "GET": lambda: (200, {"exchanges": [exchange.to_dict() for exchange in log.exchanges()]}),
            "DELETE": _call(log.clear),
        },
        "/usage": {"GET": lambda: (200, {"days": licenses.count_events_by_day()})},
        "/environment": {"GET": lambda: (200, {"environment": state.environment(), "endpoints": ENDPOINTS})},
        "/faults": {
            "GET": lambda: (200, {"faults": [_describe_fault(fault) for fault in faults.pending()]}),
            "POST": _call(lambda **fields: faults.add(_fault(**fields)), 201),
            "DELETE": _call(faults.clear),
        },
        "/releases": {
            "POST": lambda **options: (
                201,
                github.release_json(github.releases.publish(**options)),
            )
        },
        "/switches": {
            "GET": lambda: (200, dataclasses.asdict(state.switches)),
            "POST": lambda **values: (200, _set_switches(state.switches, values)),
        },
        "/neuroai/users/{user}": {"DELETE": _call(neuroai.deactivate_user)},
        "/nexus/disabled/{name}": {"PUT": _call(nexus.disable), "DELETE": _call(nexus.enable)},
        **_key_actions("", licenses.list_all, licenses.create, revoke_license_key),
        **_key_actions("/nimbus-os", nimbus_os.list_keys, nimbus_os.create_key, nimbus_os.keys.revoke),
        **_key_actions("/neuroai", neuroai.list_all, neuroai.create, neuroai.store.revoke),
        **_key_actions("/nexus", nexus.list_keys, nexus.create_key, nexus.keys.revoke),
    }
    routes = [Route(path, _ControlRoute(state.control_token, of_path)) for path, of_path in actions.items()]
    return Mount("/_sandbox", routes=routes)


class _ControlRoute:
    """A control route as an ASGI application: checks who asks, then runs the method's action in a thread."""

    def __init__(self, token: str, actions: Mapping[str, _Action]) -> None:
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
            return _error(421, "The control plane answers on the loopback only.")
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return _error(401, "The control token is missing or wrong.")
        if request.method not in self._actions:
            return JSONResponse({"error": "Method not allowed"}, 405, {"Allow": ", ".join(self._actions)})
        return None

    async def _run(self, request: Request) -> Response:
        try:
            fields = {**json.loads(await request.body() or b"{}"), **request.path_params}
            status, body = await asyncio.to_thread(self._actions[request.method], **fields)
        except UnknownKeyError as error:
            return _error(404, str(error))
        except ConfigurationError as error:
            return _error(400, str(error))
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            return _error(400, f"The request is invalid: {error}.")
        return Response(status_code=status) if body is None else JSONResponse(body, status)


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


def _call(function: Callable[..., object], status: int = 204, body: object = None) -> _Action:
    def action(**fields: object) -> tuple[int, object]:
        function(**fields)
        return status, body

    return action


def _key_actions(
    path: str,
    list_all: Callable[[], object],
    create: Callable[..., str],
    revoke: Callable[..., object],
) -> _Actions:
    def create_key(**options: object) -> tuple[int, object]:
        if isinstance(options.get("expires_at"), str):
            options["expires_at"] = datetime.fromisoformat(str(options["expires_at"]))
        return 201, {"key": create(**options)}

    return {
        f"{path}/keys": {"GET": lambda: (200, {"keys": list_all()}), "POST": create_key},
        f"{path}/keys/revoke": {"POST": _call(revoke, 200, {"revoked": True})},
    }


def _fault(**fields: object) -> Fault:
    if isinstance(raw := fields.get("raw_body"), str):
        fields["raw_body"] = raw.encode()
    return Fault(**fields)  # type: ignore[arg-type]


def _describe_fault(fault: Fault) -> dict[str, object]:
    """Return what was set of a fault, as JSON."""
    fields = dataclasses.asdict(fault)
    if fault.raw_body is not None:
        fields["raw_body"] = fault.raw_body.decode("utf-8", "replace")
    names = {field.name for field in dataclasses.fields(fault) if fields[field.name] != field.default}
    return {name: value for name, value in fields.items() if name in {*names, "endpoint", "times"}}


def _set_switches(switches: Switches, values: Mapping[str, object]) -> dict[str, object]:
    if unknown := sorted(values.keys() - {field.name for field in dataclasses.fields(switches)}):
        raise ConfigurationError(f"There is no switch {', '.join(unknown)}.")
    if invalid := sorted(name for name, value in values.items() if not _is_valid_switch(name, value)):
        raise ConfigurationError(f"{', '.join(invalid)}: give true or false, or seconds for a lifetime.")
    for name, value in values.items():
        setattr(switches, name, value)
    return dataclasses.asdict(switches)


def _is_valid_switch(name: str, value: object) -> bool:
    if not name.endswith("_lifetime"):
        return isinstance(value, bool)
    if value is None:
        return name == "token_lifetime"
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9
