"""Nimbus OS: keys of two environments, orders, and the documented errors."""

from __future__ import annotations

import re

import pytest

from nimbus_sdk.errors import ConfigurationError


@pytest.fixture
def request_orders(sandbox, http):
    """Request a resource of Nimbus OS with a key."""

    def call(key, path="/orders", *, method="GET", environment="sandbox", headers=None, **options):
        sent = {**({} if key is None else {"X-API-Key": key}), **(headers or {})}
        return http.request(method, f"{sandbox.nimbus_os_url(environment)}{path}", headers=sent, **options)

    return call


def test_a_key_is_unknown_in_the_other_environment(sandbox, request_orders):
    """Keys of sandbox and production are separate: each is 401 in the other one."""
    keys = {name: sandbox.new_nimbus_os_key(environment=name) for name in ("sandbox", "production")}
    statuses = {
        (owner, visited): request_orders(key, environment=visited).status_code
        for owner, key in keys.items()
        for visited in keys
    }
    assert statuses == {
        ("sandbox", "sandbox"): 200,
        ("sandbox", "production"): 401,
        ("production", "production"): 200,
        ("production", "sandbox"): 401,
    }


def test_a_revoked_key_stops_working_at_once(sandbox, request_orders):
    """The request after the revocation is 401, other keys stay valid, and a key is revoked only once."""
    key, other = sandbox.new_nimbus_os_key(), sandbox.new_nimbus_os_key()
    assert request_orders(key).status_code == 200
    sandbox.revoke_nimbus_os_key(key)
    answer = request_orders(key)
    assert (answer.status_code, answer.json()) == (
        401,
        {
            "error": {
                "code": "unauthorized",
                "message": "Invalid or missing API key",
                "requestId": answer.headers["x-request-id"],
            }
        },
    )
    assert request_orders(other).status_code == 200
    with pytest.raises(ConfigurationError, match="no such active Nimbus OS key"):
        sandbox.revoke_nimbus_os_key(key)


def test_invalid_names_are_named_in_python(sandbox):
    """An unknown environment or permission is a configuration error that lists the valid ones."""
    with pytest.raises(ConfigurationError, match="'staging'") as error:
        sandbox.new_nimbus_os_key(environment="staging")
    assert "sandbox, production" in str(error.value)
    with pytest.raises(ConfigurationError, match="'staging'"):
        sandbox.nimbus_os_url("staging")
    with pytest.raises(ConfigurationError, match="patients:read"):
        sandbox.new_nimbus_os_key(permissions=["patients:read"])


def unauthorized(request_id):
    """The documented body of a 401."""
    return {
        "error": {
            "code": "unauthorized",
            "message": "Invalid or missing API key",
            "requestId": request_id,
        }
    }


def forbidden(request_id):
    """The documented body of a 403."""
    return {
        "error": {
            "code": "forbidden",
            "message": "Insufficient permissions",
            "requestId": request_id,
        }
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "your-api-key-here"},
        {"Authorization": "Bearer {key}"},
        {"api-key": "{key}"},
        {"X-API-Key": "Bearer {key}"},
        {"X-API-Key": "{key}0"},
    ],
)
def test_a_missing_or_invalid_key_is_the_documented_401(sandbox, request_orders, headers):
    """No key, another key, or the key in another header: 401, word for word, with the request's id."""
    key = sandbox.new_nimbus_os_key()
    filled = {name: value.format(key=key) for name, value in headers.items()}
    answer = request_orders(None, headers=filled)
    assert (answer.status_code, answer.json()) == (401, unauthorized(answer.headers["x-request-id"]))
    assert re.fullmatch(r"req_[0-9a-f]+", answer.headers["x-request-id"])


@pytest.mark.parametrize("name", ["api_key", "X-API-Key", "key", "token"])
def test_a_key_in_the_query_is_refused(sandbox, request_orders, name):
    """A key in the URL is 401, even if the header has it as well, and the log masks it."""
    key = sandbox.new_nimbus_os_key()
    assert request_orders(None, params={name: key}).status_code == 401
    assert request_orders(key, params={name: key}).status_code == 401
    assert [exchange.path for exchange in sandbox.journal()] == [
        f"/nimbus-os/sandbox/orders?{name}=***",
        f"/nimbus-os/sandbox/orders?{name}=***",
    ]


@pytest.mark.parametrize(
    ("permissions", "method", "path"),
    [
        (("orders:write",), "GET", "/orders"),
        (("orders:write",), "GET", "/orders/ord_sand_0"),
        (("orders:read",), "POST", "/orders"),
        ((), "GET", "/orders"),
    ],
)
def test_a_missing_permission_is_the_documented_403(sandbox, request_orders, permissions, method, path):
    """A key without the permission for a resource gets 403, word for word, with the caller's request id."""
    key = sandbox.new_nimbus_os_key(permissions=permissions)
    answer = request_orders(key, path, method=method, headers={"X-Request-ID": "req_abc123"})
    assert (answer.status_code, answer.json()) == (403, forbidden("req_abc123"))
    assert answer.headers["x-request-id"] == "req_abc123"


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", "/orders/ord_none", 404, "not_found", "Resource not found"),
        ("GET", "/patients", 404, "not_found", "Resource not found"),
        ("DELETE", "/orders", 405, "method_not_allowed", "Method not allowed"),
    ],
)
def test_other_errors_have_the_same_form(sandbox, request_orders, method, path, status, code, message):
    """Errors that the page does not show have the form of those it shows."""
    answer = request_orders(sandbox.new_nimbus_os_key(), path, method=method, headers={"X-Request-ID": "r1"})
    body = {"error": {"code": code, "message": message, "requestId": "r1"}}
    assert (answer.status_code, answer.json()) == (status, body)
    assert answer.headers.get("allow") == ("GET, POST" if status == 405 else None)


def test_without_a_key_unknown_resources_are_401_too(sandbox, http, request_orders):
    """Without a key even an unknown resource is 401; an unknown environment is 404."""
    assert request_orders(None, "/patients").status_code == 401
    staging = http.get(f"{sandbox.api_url}/nimbus-os/staging/orders")
    assert (staging.status_code, staging.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"content": b"{}"}, "The body must be a JSON object, sent as application/json."),
        ({"json": []}, "The body must be a JSON object, sent as application/json."),
        ({"json": {"item": ""}}, "item is a text of 1 to 100 characters."),
        ({"json": {"item": "Cap", "quantity": 0}}, "quantity is a whole number from 1 to 1000."),
        ({"json": {"item": "Cap", "quantity": True}}, "quantity is a whole number from 1 to 1000."),
        (
            {"json": {"item": "Cap", "patient": "J. D."}},
            "An order of the sandbox has only item and quantity: send it no real data.",
        ),
    ],
)
def test_invalid_orders_are_refused_and_not_stored(sandbox, request_orders, options, message):
    """An order with invalid fields, or one that could name a person, is 400 and not stored."""
    key = sandbox.new_nimbus_os_key()
    answer = request_orders(key, method="POST", headers={"X-Request-ID": "r1"}, **options)
    body = {"error": {"code": "invalid_request", "message": message, "requestId": "r1"}}
    assert (answer.status_code, answer.json()) == (400, body)
    assert len(request_orders(key).json()["data"]) == 3


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
