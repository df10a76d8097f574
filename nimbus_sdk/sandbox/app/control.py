"""The means of the control plane: who may use it, its bodies, and its refusals.

All routes ask for ``Authorization: Bearer <control token>`` and a ``Host`` header that names the loopback, so
that no web page in a browser on this machine can drive them. Bodies are JSON objects.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.refusals import Refused

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


def _foreign(state: State, request: Request) -> Response | None:
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _LOOPBACK:
        return JSONResponse({"error": "The control plane answers on the loopback only."}, 421)
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {state.control_token}".encode()):
        return JSONResponse({"error": "The control token is missing or wrong."}, 401)
    return None


async def json_fields(request: Request) -> dict[str, object]:
    """The JSON object of a request's body; an empty body is an empty object.

    Raises:
        ConfigurationError: It is no such object.
    """
    try:
        fields = json.loads(await request.body() or b"{}")
    except ValueError as fault:
        raise ConfigurationError(f"The body is not JSON: {fault}.") from fault
    if not isinstance(fields, dict):
        raise ConfigurationError("The body is not a JSON object.")
    return fields
