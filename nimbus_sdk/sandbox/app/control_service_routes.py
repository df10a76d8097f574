"""The control plane's routes for Nimbus OS, NeuroAI and Nexus; :mod:`control_routes` tells them all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.app.control import Action, Control, json_fields
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.neuroai.key_fields import NewNeuroAiKey
from nimbus_sdk.sandbox.neuroai.wire import key_row
from nimbus_sdk.sandbox.nexus.keys import NewNexusKey
from nimbus_sdk.sandbox.nimbus_os.keys import NewNimbusOsKey


def system_routes(state: State) -> list[Route]:
    """The routes below ``/_sandbox/nimbus-os``, ``/_sandbox/neuroai`` and ``/_sandbox/nexus``."""
    return [
        Route("/nimbus-os/keys", Control(state, GET=_nimbus_os_keys, POST=_created(_new_nimbus_os_key))),
        Route("/nimbus-os/keys/revoke", Control(state, POST=_revoked(lambda of: of.nimbus_os.revoke))),
        Route("/neuroai/keys", Control(state, GET=_neuroai_keys, POST=_created(_new_neuroai_key))),
        Route("/neuroai/keys/revoke", Control(state, POST=_revoked(lambda of: of.neuroai.revoke))),
        Route("/neuroai/users/{user}", Control(state, DELETE=_deactivate_user)),
        Route("/nexus/keys", Control(state, GET=_nexus_keys, POST=_created(_new_nexus_key))),
        Route("/nexus/keys/revoke", Control(state, POST=_revoked(lambda of: of.nexus.revoke))),
        Route("/nexus/disabled/{name}", Control(state, PUT=_disable, DELETE=_enable)),
    ]


def _created(create: Callable[[State, dict[str, object]], str]) -> Action:
    async def action(state: State, request: Request) -> Response:
        fields = await json_fields(request)
        try:
            key = create(state, fields)
        except (TypeError, ValueError, AttributeError, OverflowError) as fault:
            raise ConfigurationError(f"No key can be made of this: {fault}.") from fault
        return JSONResponse({"key": key}, 201)

    return action


def _revoked(choose: Callable[[State], Callable[[str], None]]) -> Action:
    async def action(state: State, request: Request) -> Response:
        key = str((await json_fields(request)).get("key", ""))
        try:
            choose(state)(key)
        except ConfigurationError as fault:
            return JSONResponse({"error": str(fault)}, 404)
        return JSONResponse({"revoked": True})

    return action


def _new_nimbus_os_key(state: State, fields: dict[str, object]) -> str:
    return state.nimbus_os.create(NewNimbusOsKey(**fields))  # type: ignore[arg-type]


def _new_neuroai_key(state: State, fields: dict[str, object]) -> str:
    if isinstance(fields.get("expires_at"), str):
        fields["expires_at"] = datetime.fromisoformat(str(fields["expires_at"]))
    wanted = NewNeuroAiKey(**fields)  # type: ignore[arg-type]
    return state.neuroai.create(wanted.traits(), wanted.user, None)[1]


def _new_nexus_key(state: State, fields: dict[str, object]) -> str:
    return state.nexus.create(NewNexusKey(**fields))  # type: ignore[arg-type]


async def _nimbus_os_keys(state: State, _: Request) -> Response:
    return JSONResponse({"keys": state.nimbus_os.listing()})


async def _neuroai_keys(state: State, _: Request) -> Response:
    return JSONResponse({"keys": [key_row(key) for key in state.neuroai.all()]})


async def _nexus_keys(state: State, _: Request) -> Response:
    return JSONResponse({"keys": state.nexus.listing()})


async def _deactivate_user(state: State, request: Request) -> Response:
    state.neuroai.deactivate(request.path_params["user"])
    return Response(status_code=204)


async def _disable(state: State, request: Request) -> Response:
    state.nexus.disable(request.path_params["name"])
    return Response(status_code=204)


async def _enable(state: State, request: Request) -> Response:
    state.nexus.enable(request.path_params["name"])
    return Response(status_code=204)
