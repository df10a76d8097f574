"""Nimbus OS: orders behind a key, in two environments with paths of their own.

============================================  ============  =====================================
``GET /nimbus-os/{environment}/orders``       orders:read   200 ``{"data": [order, ...]}``
``POST /nimbus-os/{environment}/orders``      orders:write  201 the order; ``{"item", "quantity"?}``
``GET /nimbus-os/{environment}/orders/{id}``  orders:read   200 the order
============================================  ============  =====================================

Source: the Nimbus OS authentication page for header, environments, 401 and 403. It shows no order: those
here are made up, and take no field that could name a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.routing import Route

from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Visit
from nimbus_sdk.sandbox.http.responses import Answered, Reply, json_reply
from nimbus_sdk.sandbox.nimbus_os.errors import nimbus_os_refusal
from nimbus_sdk.sandbox.nimbus_os.keys import ENVIRONMENTS, Environment

ENDPOINT = "nimbus_os"
LONGEST_ITEM = 100
MOST = 1000
_KEY_PARAMETERS = frozenset({"api_key", "api-key", "apikey", "key", "x-api-key", "token"})
Action = Callable[[Visit, Environment], Reply]
Actions = Mapping[str, tuple[str, Action]]


@dataclass(frozen=True, slots=True)
class Guarded:
    """A resource behind a key.

    Attributes:
        environment: The environment whose keys it knows.
        actions: Permission and answer by HTTP method.
    """

    environment: Environment
    actions: Actions

    async def __call__(self, visit: Visit) -> Reply:
        """Answer one request."""
        granted = _granted(visit, self.environment)
        if not self.actions:
            raise nimbus_os_refusal("not_found", visit.request_id)
        if visit.request.method not in self.actions:
            allowed = {"Allow": ", ".join(self.actions)}
            raise nimbus_os_refusal("method_not_allowed", visit.request_id, headers=allowed)
        permission, action = self.actions[visit.request.method]
        if permission not in granted:
            raise nimbus_os_refusal("forbidden", visit.request_id)
        return action(visit, self.environment)


def nimbus_os_routes(state: State) -> list[Route]:
    """The routes below ``/nimbus-os``."""
    resources: tuple[tuple[str, Actions], ...] = (
        ("orders", {"GET": ("orders:read", _list), "POST": ("orders:write", _create)}),
        ("orders/{order_id}", {"GET": ("orders:read", _get)}),
        ("{rest:path}", {}),
    )
    return [
        *(
            Route(
                f"/nimbus-os/{environment}/{path}", Endpoint(ENDPOINT, Guarded(environment, actions), state)
            )
            for environment in ENVIRONMENTS
            for path, actions in resources
        ),
        Route("/nimbus-os/{rest:path}", Endpoint(ENDPOINT, _nowhere, state)),
    ]


def _granted(visit: Visit, environment: Environment) -> frozenset[str]:
    key = visit.headers.get("x-api-key", "")
    in_query = any(name.lower() in _KEY_PARAMETERS for name in visit.request.query_params)
    granted = None if in_query else visit.state.nimbus_os.permissions(key, environment)
    if granted is None:
        raise nimbus_os_refusal("unauthorized", visit.request_id)
    return granted


def _list(visit: Visit, environment: Environment) -> Reply:
    return json_reply(200, {"data": visit.state.nimbus_os_orders.all(environment)})


def _get(visit: Visit, environment: Environment) -> Reply:
    order = visit.state.nimbus_os_orders.get(environment, visit.request.path_params["order_id"])
    if order is None:
        raise nimbus_os_refusal("not_found", visit.request_id)
    return json_reply(200, order)


def _create(visit: Visit, environment: Environment) -> Reply:
    body = visit.json_object()
    if body is None:
        raise _invalid(visit, "The body must be a JSON object, sent as application/json.")
    if body.keys() - {"item", "quantity"}:
        raise _invalid(visit, "An order of the sandbox has item and quantity alone: send it no real data.")
    item, quantity = body.get("item"), body.get("quantity", 1)
    if not isinstance(item, str) or not 0 < len(item) <= LONGEST_ITEM:
        raise _invalid(visit, f"item is a text of 1 to {LONGEST_ITEM} characters.")
    if type(quantity) is not int or not 0 < quantity <= MOST:
        raise _invalid(visit, f"quantity is a whole number from 1 to {MOST}.")
    return json_reply(201, visit.state.nimbus_os_orders.add(environment, item, quantity))


def _invalid(visit: Visit, message: str) -> Answered:
    return nimbus_os_refusal("invalid_request", visit.request_id, message)


async def _nowhere(visit: Visit) -> Reply:
    raise nimbus_os_refusal("not_found", visit.request_id)
