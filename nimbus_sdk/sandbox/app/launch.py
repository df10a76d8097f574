"""Starts a sandbox on its two ports: the APIs with GitHub on the first, the storage host on the second.

This module and those it imports need the packages of the ``sandbox`` extra.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from nimbus_sdk.sandbox.app.control import control_routes
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.endpoint import Endpoint
from nimbus_sdk.sandbox.http.listener import Listener, base_url, bind_port
from nimbus_sdk.sandbox.http.requests import ServiceRoute
from nimbus_sdk.sandbox.nimbus_api.routes import NIMBUS_API_ERRORS
from nimbus_sdk.sandbox.page import page_routes


def launch(new_state: Callable[..., State], port: int) -> tuple[State, ExitStack]:
    """Start to serve; return the state and what to close in order to stop."""
    with ExitStack() as stack:
        main, storage = bind_port(port), bind_port(0)
        stack.callback(main.close)
        stack.callback(storage.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nimbus-sandbox-"))
        state = new_state(api_url=base_url(main), storage_url=base_url(storage), folder=Path(folder))
        stack.callback(state.database.close)
        listener = Listener(
            {
                main: _application(state, state.api_routes(), control_routes(state), *page_routes()),
                storage: _application(state, state.github.storage_routes(NIMBUS_API_ERRORS)),
            }
        )
        stack.callback(listener.stop)
        listener.start()
        return state, stack.pop_all()


def _application(state: State, routes: Sequence[ServiceRoute], *others: BaseRoute) -> ASGIApp:
    def endpoint(route: ServiceRoute) -> Endpoint:
        return Endpoint(route, state.database.clock, state.log, state.faults)

    return Router(
        [*(Route(route.path, endpoint(route)) for route in routes), *others],
        redirect_slashes=False,
        default=endpoint(state.unknown_route),
    )
