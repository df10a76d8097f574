"""Nimbus OS: orders behind a key, in two environments with paths of their own.

============================================  ============  =====================================
``GET /nimbus-os/{environment}/orders``       orders:read   200 ``{"data": [order, ...]}``
``POST /nimbus-os/{environment}/orders``      orders:write  201 the order; ``{"item", "quantity"?}``
``GET /nimbus-os/{environment}/orders/{id}``  orders:read   200 the order
============================================  ============  =====================================

Source: the Nimbus OS authentication page for keys, header, environments, 401 and 403; other errors are
written in the same form. The page shows no order: those here are made up, have no field that could name a
person, and are in memory while the sandbox runs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.suggestions import list_choices
from nimbus_sdk.sandbox.http.database import Database, KeyStore
from nimbus_sdk.sandbox.http.masking import MASK
from nimbus_sdk.sandbox.http.requests import Handler, Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import ErrorFormat, HttpError, Response, iso, json_response

Environment = Literal["sandbox", "production"]
ENVIRONMENTS: tuple[Environment, ...] = ("sandbox", "production")
PERMISSIONS = ("orders:read", "orders:write")
ENDPOINT = "nimbus_os"
MAX_ITEM_LENGTH = 100
MAX_QUANTITY = 1000
_FIRST_DAY = 1_767_225_600.0  # 2026-01-01T00:00:00Z
_DAY = 86_400.0
_STOCK = (
    ("EEG cap, 32 channels", 2, "delivered"),
    ("Electrode gel, 250 ml", 6, "shipped"),
    ("Amplifier", 1, "received"),
)
_KEY_PARAMETERS = frozenset({"api_key", "api-key", "apikey", "key", "x-api-key", "token"})
_Actions = Mapping[str, tuple[str, Callable[[Request, Environment], Response]]]
"""Permission and action by HTTP method."""
_ERRORS = ErrorFormat(
    codes={
        "invalid_request": (400, "Invalid request"),
        "unauthorized": (401, "Invalid or missing API key"),
        "forbidden": (403, "Insufficient permissions"),
        "not_found": (404, "Resource not found"),
        "method_not_allowed": (405, "Method not allowed"),
        "conflict": (409, "Conflict"),
        "payload_too_large": (413, "Request body is too large"),
        "rate_limited": (429, "Rate limit exceeded"),
        "internal_error": (500, "Internal server error"),
        "service_unavailable": (503, "Service unavailable"),
    },
    default_code="internal_error",
    body=lambda error: {
        "error": {"code": error.code, "message": error.message or error.text, "requestId": error.request_id}
    },
)


class NimbusOs:
    """Nimbus OS with its keys; each is valid in one environment."""

    def __init__(self, database: Database) -> None:
        self.keys = KeyStore(database, "nimbus_os", "active Nimbus OS key")
        self._clock = database.clock
        self._orders = {environment: _first_orders(environment) for environment in ENVIRONMENTS}

    def create_key(
        self, *, environment: Environment = "sandbox", permissions: Collection[str] = PERMISSIONS
    ) -> str:
        """Create a key and return it in plain; it cannot be read later.

        Args:
            environment: ``sandbox`` or ``production``: the key is unknown in the other one.
            permissions: Any of ``orders:read`` and ``orders:write``.

        Raises:
            ConfigurationError: There is no such environment or permission.
        """
        require_environment(environment)
        if unknown := sorted(set(permissions) - set(PERMISSIONS)):
            raise ConfigurationError(
                f"The sandbox's Nimbus OS has no permission {', '.join(unknown)}.",
                hint=list_choices(unknown[0], PERMISSIONS),
            )
        prefix = f"nos_{environment}_"
        key = prefix + secrets.token_hex(20)
        fields = {"environment": environment, "permissions": sorted(permissions)}
        self.keys.add(key, f"{prefix}{MASK}{key[-4:]}", fields)
        return key

    def list_keys(self) -> list[dict[str, object]]:
        """Return all keys for listings, oldest first, masked."""
        return [
            {"key": key.masked, "fingerprint": key.id, **key.fields, **key.times_json()}
            for key in self.keys.list_all()
        ]

    def routes(self) -> list[ServiceRoute]:
        """Return the routes below ``/nimbus-os``."""
        actions: Mapping[str, _Actions] = {
            "{environment}/orders": {
                "GET": ("orders:read", self._list),
                "POST": ("orders:write", self._create),
            },
            "{environment}/orders/{order_id}": {"GET": ("orders:read", self._get)},
            "{environment}/{rest:path}": {},
            "{rest:path}": {},
        }
        return [
            ServiceRoute(f"/nimbus-os/{path}", ENDPOINT, self._authorized(of_path), _ERRORS)
            for path, of_path in actions.items()
        ]

    def _authorized(self, actions: _Actions) -> Handler:
        async def handler(request: Request) -> Response:
            environment = request.path_params.get("environment")
            if environment not in ENVIRONMENTS:
                raise HttpError("not_found")
            key_in_query = any(name.lower() in _KEY_PARAMETERS for name in request.query)
            key = None if key_in_query else self.keys.find(request.headers.get("x-api-key", ""))
            if key is None or key.fields["environment"] != environment:
                raise HttpError("unauthorized")
            if not actions:
                raise HttpError("not_found")
            request.require_method(", ".join(actions), "method_not_allowed")
            permission, action = actions[request.method]
            if permission not in key.fields["permissions"]:
                raise HttpError("forbidden")
            return action(request, environment)

        return handler

    def _list(self, request: Request, environment: Environment) -> Response:
        return json_response(200, {"data": list(self._orders[environment].values())})

    def _get(self, request: Request, environment: Environment) -> Response:
        order = self._orders[environment].get(request.path_params["order_id"])
        if order is None:
            raise HttpError("not_found")
        return json_response(200, order)

    def _create(self, request: Request, environment: Environment) -> Response:
        body = request.require_json_object("invalid_request")
        if body.keys() - {"item", "quantity"}:
            raise _invalid("An order of the sandbox has only item and quantity: send it no real data.")
        item, quantity = body.get("item"), body.get("quantity", 1)
        if not isinstance(item, str) or not 0 < len(item) <= MAX_ITEM_LENGTH:
            raise _invalid(f"item is a text of 1 to {MAX_ITEM_LENGTH} characters.")
        if isinstance(quantity, float) and quantity.is_integer():
            # JSON knows no difference between 2 and 2.0.
            quantity = int(quantity)
        if type(quantity) is not int or not 0 < quantity <= MAX_QUANTITY:
            raise _invalid(f"quantity is a whole number from 1 to {MAX_QUANTITY}.")
        order = _order(f"ord_{secrets.token_hex(8)}", item, quantity, "received", self._clock())
        self._orders[environment][order["id"]] = order
        return json_response(201, order)


def _invalid(message: str) -> HttpError:
    return HttpError("invalid_request", message)


def _first_orders(environment: Environment) -> dict[str, dict[str, Any]]:
    orders = [
        _order(f"ord_{environment[:4]}_{number}", item, quantity, status, _FIRST_DAY + number * _DAY)
        for number, (item, quantity, status) in enumerate(_STOCK)
    ]
    return {order["id"]: order for order in orders}


def _order(order_id: str, item: str, quantity: int, status: str, created_at: float) -> dict[str, Any]:
    return {
        "id": order_id,
        "item": item,
        "quantity": quantity,
        "status": status,
        "createdAt": iso(created_at),
    }


def require_environment(name: str) -> None:
    """Raise a ConfigurationError unless there is an environment of this name."""
    if name not in ENVIRONMENTS:
        raise ConfigurationError(
            f"Nimbus OS has no environment {name!r}.", hint=list_choices(name, ENVIRONMENTS)
        )
