"""The two ASGI applications of a sandbox: APIs with GitHub on the first port, storage on the second."""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import ASGIApp

from nimbus_sdk.sandbox.api_routes import api_routes
from nimbus_sdk.sandbox.control_routes import control_routes
from nimbus_sdk.sandbox.endpoint import Endpoint, Visit
from nimbus_sdk.sandbox.github_routes import github_refusal, github_routes
from nimbus_sdk.sandbox.model_routes import model_routes
from nimbus_sdk.sandbox.neuroai_routes import neuroai_routes
from nimbus_sdk.sandbox.nexus_routes import nexus_routes
from nimbus_sdk.sandbox.nimbus_os_routes import nimbus_os_routes
from nimbus_sdk.sandbox.refusals import Refused
from nimbus_sdk.sandbox.replies import Reply
from nimbus_sdk.sandbox.state import State
from nimbus_sdk.sandbox.storage_routes import storage_routes


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
