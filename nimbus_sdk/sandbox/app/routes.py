"""The two ASGI applications of a sandbox: APIs with GitHub on the first port, storage on the second."""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import ASGIApp

from nimbus_sdk.sandbox.app.control_routes import control_routes
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.github.routes import github_refusal, github_routes
from nimbus_sdk.sandbox.github.storage_routes import storage_routes
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Visit
from nimbus_sdk.sandbox.http.refusals import Refused
from nimbus_sdk.sandbox.http.responses import Reply
from nimbus_sdk.sandbox.neuroai.routes import neuroai_routes
from nimbus_sdk.sandbox.nexus.routes import nexus_routes
from nimbus_sdk.sandbox.nimbus_api.model_routes import model_routes
from nimbus_sdk.sandbox.nimbus_api.routes import api_routes
from nimbus_sdk.sandbox.nimbus_os.routes import nimbus_os_routes


def main_application(state: State) -> ASGIApp:
    """The four APIs, GitHub and the control plane."""
    return Router(
        [
            *api_routes(state),
            *model_routes(state),
            *github_routes(state),
            *nimbus_os_routes(state),
            *neuroai_routes(state),
            *nexus_routes(state),
            control_routes(state),
        ],
        redirect_slashes=False,
        default=Endpoint("unknown", _unknown, state),
    )


def storage_application(state: State) -> ASGIApp:
    """The storage host."""
    return Router(storage_routes(state), redirect_slashes=False, default=Endpoint("unknown", _unknown, state))


async def _unknown(visit: Visit) -> Reply:
    if visit.path.startswith("/github/"):
        return github_refusal(404, "Not Found")
    allowance = visit.state.limits.take("unknown", visit.caller)
    headers = {} if allowance is None else allowance.headers()
    if allowance is not None and allowance.wait:
        raise Refused("RATE_LIMIT_EXCEEDED", headers=headers)
    raise Refused("NOT_FOUND", headers=headers)
