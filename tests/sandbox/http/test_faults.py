"""Faults take effect where, how and as often as they were set."""

from __future__ import annotations

import threading

import httpx
import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.faults import ENDPOINTS
from tests.support.sandbox_requests import (
    get_health,
)


def test_every_endpoint_of_the_sandbox_can_fail(sandbox):
    """The names that faults accept are those of the routes that exist, in their order."""
    state = sandbox._state
    routes = (*state.api_routes(), *state.github.storage_routes(state.unknown_route.errors))
    names = dict.fromkeys(route.endpoint for route in routes if route.endpoint != "unknown")
    assert tuple(names) == ENDPOINTS


def test_a_fault_fails_as_many_requests_as_set(sandbox, http):
    """After two failures of two the endpoint works again, and others never failed."""
    sandbox.fault("health", status=503, times=2)
    statuses = [get_health(sandbox, http).status_code for _ in range(3)]
    other = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": sandbox.new_key()})
    assert statuses == [503, 503, 200]
    assert other.status_code == 200


def test_a_fault_waits_for_its_turn(sandbox, http):
    """Requests counted by `after` succeed first; faults take effect in the order they were set."""
    sandbox.fault("health", status=500, after=1)
    sandbox.fault("health", status=502)
    assert [get_health(sandbox, http).status_code for _ in range(4)] == [200, 500, 502, 200]


def test_a_fault_for_ever_ends_when_cleared(sandbox, http):
    """times=None fails all requests until the faults are cleared."""
    sandbox.fault("health", status=500, times=None)
    assert {get_health(sandbox, http).status_code for _ in range(5)} == {500}
    sandbox.clear_faults()
    assert get_health(sandbox, http).status_code == 200


def test_headers_content_type_and_date_can_be_changed(sandbox, http):
    """Headers are added or replaced on the endpoint's own answer, and its Date can be an hour off."""
    sandbox.fault(
        "health",
        headers={"Retry-After": "7", "X-Request-Id": "odd"},
        content_type="text/css",
        date_offset=-3600,
    )
    answer = get_health(sandbox, http)
    assert answer.json()["status"] == "healthy"
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-request-id"] == "odd"
    assert answer.headers["content-type"] == "text/css"
    assert answer.headers["date"] == "Fri, 31 Oct 2025 11:00:00 GMT"


def test_bodies_can_be_anything(sandbox, http):
    """A captive portal's HTML, text and raw bytes replace JSON; a redirect leads elsewhere."""
    sandbox.fault("health", html=True)
    sandbox.fault("health", body="<gone>", status=404)
    sandbox.fault("health", raw_body=b"\xff\x00{")
    sandbox.fault("health", redirect="http://127.0.0.1:9/elsewhere")
    portal, text, raw, away = (get_health(sandbox, http) for _ in range(4))
    assert (portal.status_code, portal.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Sign in" in portal.text
    assert (text.status_code, text.text) == (404, "<gone>")
    assert raw.content == b"\xff\x00{"
    assert (away.status_code, away.headers["location"]) == (302, "http://127.0.0.1:9/elsewhere")


def test_faults_are_shared_out_exactly_among_threads(sandbox):
    """Five failures among twenty requests from four threads are five failures."""
    sandbox.fault("health", status=500, times=5)
    statuses = []

    def request_five_times():
        with httpx.Client(trust_env=False) as client:
            statuses.extend(client.get(f"{sandbox.api_url}/api/health").status_code for _ in range(5))

    threads = [threading.Thread(target=request_five_times) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 15 + [500] * 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "lunch", "status": 500},
        {"endpoint": "health", "reset": "never"},
        {"endpoint": "health", "drip": 0},
        {"endpoint": "health", "times": 0},
    ],
)
def test_invalid_faults_are_refused(sandbox, wrong):
    """A fault for no endpoint, or of no kind, is a configuration error."""
    with pytest.raises(ConfigurationError):
        sandbox.fault(**wrong)


@pytest.mark.parametrize(
    "odd",
    [
        {"delay": "x"},
        {"after": "x"},
        {"after": True},
        {"headers": 5},
        {"headers": {"A": 5}},
        {"truncate": "5"},
        {"redirect": 5},
        {"status": 99},
        {"drip": 0},
        {"date_offset": 1e300},
    ],
)
def test_an_invalid_fault_is_refused_when_it_is_set(sandbox, http, control, odd):
    """It is not refused only when a request comes."""
    assert control("POST", "faults", json={"endpoint": "health", **odd}).status_code == 400
    assert http.get(f"{sandbox.api_url}/api/health").status_code == 200
