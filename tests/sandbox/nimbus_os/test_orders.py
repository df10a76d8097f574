"""Synthetic orders."""

from __future__ import annotations

import re


def test_a_key_in_the_header_reads_orders(sandbox, request_orders):
    """GET /orders with X-API-Key returns synthetic orders, which name no person."""
    answer = request_orders(sandbox.new_nimbus_os_key())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "data": [
            {
                "id": "ord_sand_0",
                "item": "EEG cap, 32 channels",
                "quantity": 2,
                "status": "delivered",
                "createdAt": "2026-01-01T00:00:00Z",
            },
            {
                "id": "ord_sand_1",
                "item": "Electrode gel, 250 ml",
                "quantity": 6,
                "status": "shipped",
                "createdAt": "2026-01-02T00:00:00Z",
            },
            {
                "id": "ord_sand_2",
                "item": "Amplifier",
                "quantity": 1,
                "status": "received",
                "createdAt": "2026-01-03T00:00:00Z",
            },
        ]
    }


def test_an_order_is_stored_in_its_environment_only(sandbox, request_orders):
    """POST answers 201 with the order, which is then found by its id and in no other environment."""
    key, other = sandbox.new_nimbus_os_key(), sandbox.new_nimbus_os_key(environment="production")
    made = request_orders(key, method="POST", json={"item": "EEG cap, 8 channels", "quantity": 3})
    order = made.json()
    assert made.status_code == 201
    assert re.fullmatch(r"ord_[0-9a-f]{16}", order["id"])
    assert order == {
        "id": order["id"],
        "item": "EEG cap, 8 channels",
        "quantity": 3,
        "status": "received",
        "createdAt": "2025-10-31T12:00:00Z",
    }
    assert request_orders(key, f"/orders/{order['id']}").json() == order
    assert request_orders(key).json()["data"][-1] == order
    assert request_orders(other, f"/orders/{order['id']}", environment="production").status_code == 404
    assert len(request_orders(other, environment="production").json()["data"]) == 3
    live = request_orders(other, method="POST", environment="production", json={"item": "Amplifier"}).json()
    assert live["quantity"] == 1
    assert request_orders(other, f"/orders/{live['id']}", environment="production").json() == live
    assert request_orders(key, f"/orders/{live['id']}").status_code == 404
