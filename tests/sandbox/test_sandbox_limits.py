"""Requests a minute, and what the headers tell about them."""

from __future__ import annotations

import pytest

from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.sandbox.nimbus_api.access import EndpointLimits


def test_the_eleventh_refresh_of_a_minute_is_refused(sandbox, http, clock):
    """Refresh takes ten requests a minute; one more waits for what Retry-After says, then passes."""
    key = sandbox.new_key()

    def refresh():
        return http.post(f"{sandbox.api_url}/v1/auth/refresh", json={"api_key": key})

    told = [refresh().headers["x-ratelimit-remaining"] for _ in range(10)]
    assert told == [str(left) for left in range(9, -1, -1)]
    clock.now += 20
    refused = refresh()
    assert refused.status_code == 429
    assert refused.json() == {"error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED"}
    assert refused.headers["retry-after"] == "40"
    assert refused.headers["x-ratelimit-limit"] == "10"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-ratelimit-reset"] == str(int(clock.now) + 40)
    clock.now += 40
    again = refresh()
    assert again.status_code == 200
    assert "retry-after" not in again.headers


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/v1/auth/validate", "100"),
        ("POST", "/v1/auth/refresh", "10"),
        ("POST", "/v1/auth/revoke", "10"),
        ("GET", "/v1/installer/github-token", "20"),
        ("GET", "/v1/models/list", "60"),
        ("POST", "/v1/analytics/log", "1000"),
        ("GET", "/v1/models/any/download", "1000"),
        ("GET", "/v1/elsewhere", "1000"),
        ("GET", "/api/health", None),
    ],
)
def test_each_endpoint_tells_its_documented_limit(sandbox, http, method, path, limit):
    """Refusals carry the limit's headers too; health has no limit and none of the headers."""
    headers = http.request(method, f"{sandbox.api_url}{path}").headers
    assert headers.get("x-ratelimit-limit") == limit
    assert ("x-ratelimit-reset" in headers) is (limit is not None)


def test_limits_count_per_key_and_per_endpoint(sandbox, http):
    """One key's requests leave another key's allowance and other endpoints alone."""
    first, second = sandbox.new_key(), sandbox.new_key()

    def left(endpoint, key):
        answer = http.post(f"{sandbox.api_url}/v1/auth/{endpoint}", json={"api_key": key})
        return answer.headers["x-ratelimit-remaining"]

    assert [left("refresh", first), left("refresh", first)] == ["9", "8"]
    assert left("refresh", second) == "9"
    assert left("validate", first) == "99"


def test_a_refused_key_is_counted_before_it_is_judged(sandbox, http):
    """Guessing keys runs into the limit as well: the twelfth guess of one key is 429, not 401."""
    guess = {"api_key": "nbci_live_" + "a" * 48}
    statuses = [http.post(f"{sandbox.api_url}/v1/auth/refresh", json=guess).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_limits_can_be_set_and_lifted(http, core_source):
    """A sandbox takes other limits by endpoint name; None lifts one."""
    with Sandbox(limits={"refresh": 1, "validate": None}, core_source=core_source) as sandbox:
        key = {"api_key": sandbox.new_key()}
        refreshed = [http.post(f"{sandbox.api_url}/v1/auth/refresh", json=key).status_code for _ in range(2)]
        validated = http.post(f"{sandbox.api_url}/v1/auth/validate", json=key)
    assert refreshed == [200, 429]
    assert "x-ratelimit-limit" not in validated.headers


def test_paths_that_do_not_exist_are_limited_too(http, core_source):
    """Probing for endpoints runs into a limit of its own."""
    with Sandbox(limits={"unknown": 1}, core_source=core_source) as sandbox:
        first, second = (http.get(f"{sandbox.api_url}/v1/{name}") for name in ("a", "b"))
    assert (first.status_code, first.headers["x-ratelimit-remaining"]) == (404, "0")
    assert (second.status_code, second.json()["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(second.headers["retry-after"]) <= 60


def test_windows_of_the_past_are_forgotten(clock):
    """Ten thousand holders of the last minute do not stay in memory for ever."""
    limits = EndpointLimits(clock)
    for number in range(10_000):
        limits.count("validate", str(number))
    clock.now += 61
    assert limits.count("validate", "late").remaining == 99
    assert len(limits._limiter._windows) == 1
