"""Nimbus OS: orders behind a key, in two environments with paths of their own.

============================================  ============  =====================================
``GET /nimbus-os/{environment}/orders``       orders:read   200 ``{"data": [order, ...]}``
``POST /nimbus-os/{environment}/orders``      orders:write  201 the order; ``{"item", "quantity"?}``
``GET /nimbus-os/{environment}/orders/{id}``  orders:read   200 the order
============================================  ============  =====================================

Source: the Nimbus OS authentication page for header, environments, 401 and 403. It shows no order: those
here are made up, and have no field that could name a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.errors import HttpError
from nimbus_sdk.sandbox.http.requests import Handler, Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import Response, json_response
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.nimbus_os.errors import NIMBUS_OS_ERRORS
from nimbus_sdk.sandbox.nimbus_os.keys import ENVIRONMENTS, Environment, NimbusOsKeys
from nimbus_sdk.sandbox.nimbus_os.orders import NimbusOsOrders

ENDPOINT = "nimbus_os"
MAX_ITEM_LENGTH = 100
MAX_QUANTITY = 1000
_KEY_PARAMETERS = frozenset({"api_key", "api-key", "apikey", "key", "x-api-key", "token"})
_Actions = Mapping[str, tuple[str, Callable[[Request, Environment], Response]]]
"""Permission and action by HTTP method."""


class NimbusOs:
    """Nimbus OS with its keys."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.keys = NimbusOsKeys(database, clock)
        self._orders = NimbusOsOrders(clock)

    def routes(self) -> list[ServiceRoute]:
        """Return the routes below ``/nimbus-os``."""
        actions: tuple[tuple[str, _Actions], ...] = (
            ("orders", {"GET": ("orders:read", self._list), "POST": ("orders:write", self._create)}),
            ("orders/{order_id}", {"GET": ("orders:read", self._get)}),
            ("{rest:path}", {}),
        )
        handlers = [
            (f"{environment}/{path}", self._authorized(environment, of_path))
            for environment in ENVIRONMENTS
            for path, of_path in actions
        ]
        return [
            ServiceRoute(f"/nimbus-os/{path}", ENDPOINT, handler, NIMBUS_OS_ERRORS)
            for path, handler in (*handlers, ("{rest:path}", _not_found))
        ]

    def _authorized(self, environment: Environment, actions: _Actions) -> Handler:
        async def handler(request: Request) -> Response:
            permissions = self._permissions(request, environment)
            if not actions:
                raise HttpError("not_found")
            request.require_method(", ".join(actions), "method_not_allowed")
            permission, action = actions[request.method]
            if permission not in permissions:
                raise HttpError("forbidden")
            return action(request, environment)

        return handler

    def _permissions(self, request: Request, environment: Environment) -> list[str]:
        key = request.headers.get("x-api-key", "")
        key_in_query = any(name.lower() in _KEY_PARAMETERS for name in request.query)
        permissions = None if key_in_query else self.keys.permissions(key, environment)
        if permissions is None:
            raise HttpError("unauthorized")
        return permissions

    def _list(self, request: Request, environment: Environment) -> Response:
        return json_response(200, {"data": self._orders.all(environment)})

    def _get(self, request: Request, environment: Environment) -> Response:
        order = self._orders.get(environment, request.path_params["order_id"])
        if order is None:
            raise HttpError("not_found")
        return json_response(200, order)

    def _create(self, request: Request, environment: Environment) -> Response:
        body = request.json_object()
        if body is None:
            raise _invalid("The body must be a JSON object, sent as application/json.")
        if body.keys() - {"item", "quantity"}:
            raise _invalid("An order of the sandbox has item and quantity alone: send it no real data.")
        item, quantity = body.get("item"), body.get("quantity", 1)
        if not isinstance(item, str) or not 0 < len(item) <= MAX_ITEM_LENGTH:
            raise _invalid(f"item is a text of 1 to {MAX_ITEM_LENGTH} characters.")
        if type(quantity) is not int or not 0 < quantity <= MAX_QUANTITY:
            raise _invalid(f"quantity is a whole number from 1 to {MAX_QUANTITY}.")
        return json_response(201, self._orders.add(environment, item, quantity))


def _invalid(message: str) -> HttpError:
    return HttpError("invalid_request", message)


async def _not_found(request: Request) -> Response:
    raise HttpError("not_found")
