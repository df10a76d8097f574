"""Starts a sandbox on its two ports: the APIs with GitHub and the page on the first, storage on the second.

The files of the page contain neither a key nor the control token. The page reads the token from the part of
its address after ``#``, which a browser sends to no server, and sends it with every request to the control
routes. This module and those it imports need the packages of the ``sandbox`` extra.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from nimbus_sdk.sandbox.app.control import control_routes
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.endpoint import Endpoint
from nimbus_sdk.sandbox.http.listener import Listener, base_url, bind_port
from nimbus_sdk.sandbox.http.requests import ServiceRoute
from nimbus_sdk.sandbox.nimbus_api.routes import NIMBUS_API_ERRORS

_PAGE = Path(__file__).parents[1] / "page"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/openapi.json": ("openapi.json", "application/json"),
    "/_page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/_page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/_page/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}
# The page loads nothing from elsewhere, and no other page can show it in a frame.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


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
                main: _application(state, state.api_routes(), control_routes(state), *_page_routes()),
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


def _page_routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route(path, _serve_file, methods=["GET"]) for path in _FILES]


async def _serve_file(request: Request) -> Response:
    name, content_type = _FILES[request.url.path]
    return Response((_PAGE / name).read_bytes(), headers={**_HEADERS, "Content-Type": content_type})
