"""Where a request carries its key, and the requests a minute of each endpoint."""

from __future__ import annotations

import re

import pytest

from nimbus_sdk.sandbox import Sandbox


def test_the_key_can_be_in_three_places(sandbox, http):
    """Header, JSON body of a POST and query of a GET all authenticate."""
    key, url = sandbox.new_key(), f"{sandbox.api_url}/v1/installer/github-token"
    answers = [
        http.get(url, headers={"X-API-Key": key}),
        http.post(url, headers={"X-API-Key": key}),
        http.post(url, json={"api_key": key}),
        http.get(url, params={"api_key": key}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    body = answers[0].json()
    assert re.fullmatch(r"ghp_[0-9A-Za-z]{36}", body.pop("github_token"))
    assert body == {
        "success": True,
        "expires_at": "2025-10-31T13:00:00Z",
        "message": "GitHub token retrieved successfully",
    }


def test_the_query_is_read_for_get_and_the_body_for_post(sandbox, http):
    """A POST with the key in its URL, and a request with none, are MISSING_KEY."""
    url = f"{sandbox.api_url}/v1/installer/github-token"
    for answer in (
        http.post(url, params={"api_key": sandbox.new_key()}),
        http.post(url, params={"api_key": sandbox.new_key()}, json={}),
        http.get(url),
        http.get(url, headers={"X-API-Key": ""}),
    ):
        assert answer.status_code == 400
        body = answer.json()
        assert (body["error"], body["code"]) == ("API key is required", "MISSING_KEY")


def test_the_eleventh_refresh_of_a_minute_is_refused(sandbox, http, clock):
    """Refresh takes ten requests a minute; one more waits for what Retry-After says, then passes."""
    key = sandbox.new_key()

    def refresh():
        return http.post(f"{sandbox.api_url}/v1/auth/refresh", json={"api_key": key})

    remaining = [refresh().headers["x-ratelimit-remaining"] for _ in range(10)]
    assert remaining == [str(left) for left in range(9, -1, -1)]
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
def test_each_endpoint_sends_its_documented_limit(sandbox, http, method, path, limit):
    """Errors have the limit's headers too; health has no limit and none of the headers."""
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


def test_a_rejected_key_is_counted_too(sandbox, http):
    """Guessing keys runs into the limit as well: the twelfth guess of one key is 429, not 401."""
    guess = {"api_key": "nbci_live_" + "a" * 48}
    statuses = [http.post(f"{sandbox.api_url}/v1/auth/refresh", json=guess).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_limits_can_be_set_and_removed(http, core_source):
    """A sandbox takes other limits by endpoint name; None removes one."""
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
