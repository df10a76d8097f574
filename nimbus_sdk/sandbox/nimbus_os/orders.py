"""Synthetic orders of Nimbus OS, without personal data; in memory while the sandbox runs."""

from __future__ import annotations

import secrets
import threading

from nimbus_sdk.sandbox.http.times import Clock, iso
from nimbus_sdk.sandbox.nimbus_os.keys import ENVIRONMENTS, Environment

Order = dict[str, object]
_FIRST_DAY = 1_767_225_600.0  # 2026-01-01T00:00:00Z
_DAY = 86_400.0
_STOCK = (
    ("EEG cap, 32 channels", 2, "delivered"),
    ("Electrode gel, 250 ml", 6, "shipped"),
    ("Amplifier", 1, "received"),
)


class NimbusOsOrders:
    """The orders of both environments; each has three at the start.

    Args:
        clock: Returns Unix seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._orders = {environment: _first_orders(environment) for environment in ENVIRONMENTS}

    def all(self, environment: Environment) -> list[Order]:
        """Return an environment's orders, oldest first."""
        with self._lock:
            return [dict(order) for order in self._orders[environment].values()]

    def get(self, environment: Environment, order_id: str) -> Order | None:
        """Return one order, or None."""
        with self._lock:
            return self._orders[environment].get(order_id)

    def add(self, environment: Environment, item: str, quantity: int) -> Order:
        """Add an order and return it."""
        order = _order(f"ord_{secrets.token_hex(8)}", item, quantity, "received", self._clock())
        with self._lock:
            self._orders[environment][str(order["id"])] = order
        return order


def _first_orders(environment: Environment) -> dict[str, Order]:
    short = environment[:4]
    return {
        f"ord_{short}_{number}": _order(
            f"ord_{short}_{number}", item, quantity, status, _FIRST_DAY + number * _DAY
        )
        for number, (item, quantity, status) in enumerate(_STOCK)
    }


def _order(order_id: str, item: str, quantity: int, status: str, created_at: float) -> Order:
    return {
        "id": order_id,
        "item": item,
        "quantity": quantity,
        "status": status,
        "createdAt": iso(created_at),
    }
