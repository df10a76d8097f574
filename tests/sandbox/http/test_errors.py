"""Errors have the body of their service."""

from __future__ import annotations

import pytest

from tests.support.sandbox_requests import (
    REPOSITORY,
    SERVICE_REQUESTS,
    new_service_keys,
    request_service,
)


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"status": 500}, 500, {"error": "Internal server error", "code": "SERVER_ERROR"}),
        ({"status": 502}, 502, {"error": "Internal server error", "code": "SERVER_ERROR"}),
        ({"status": 429}, 429, {"error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED"}),
        ({"code": "KEY_EXPIRED"}, 401, {"error": "API key has expired", "code": "KEY_EXPIRED"}),
        ({"status": 418, "code": "TEAPOT"}, 418, {"error": "I'm a Teapot", "code": "TEAPOT"}),
        ({"body": {"valid": "maybe"}}, 200, {"valid": "maybe"}),
        ({"status": 599, "body": []}, 599, []),
    ],
)
def test_errors_have_the_documented_body(sandbox, http, fault, status, body):
    """A status or code alone has the API's error body; another body is sent as it is."""
    sandbox.fault("validate", **fault)
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": sandbox.new_key()})
    assert (answer.status_code, answer.json()) == (status, body)


def test_github_errors_have_githubs_body(sandbox, http):
    """A status of a GitHub endpoint has GitHub's body."""
    sandbox.fault("release", status=403)
    answer = http.get(f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest")
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden", "status": "403"})


@pytest.mark.parametrize(
    ("endpoint", "fault", "status", "body"),
    [
        (
            "nimbus_os",
            {"status": 403},
            403,
            {
                "error": {
                    "code": "forbidden",
                    "message": "Insufficient permissions",
                    "requestId": "req_abc123",
                }
            },
        ),
        (
            "nimbus_os",
            {"code": "unauthorized"},
            401,
            {
                "error": {
                    "code": "unauthorized",
                    "message": "Invalid or missing API key",
                    "requestId": "req_abc123",
                }
            },
        ),
        (
            "nimbus_os",
            {"status": 502},
            502,
            {
                "error": {
                    "code": "internal_error",
                    "message": "Internal server error",
                    "requestId": "req_abc123",
                }
            },
        ),
        (
            "neuroai_verify",
            {"status": 401},
            401,
            {"error": {"code": "unauthorized", "message": "Invalid or missing API key"}},
        ),
        (
            "neuroai_verify",
            {"code": "key_expired"},
            401,
            {"error": {"code": "key_expired", "message": "API key has expired"}},
        ),
        (
            "neuroai_keys",
            {"status": 429},
            429,
            {"error": {"code": "rate_limited", "message": "Rate limit exceeded"}},
        ),
        (
            "neuroai_keys",
            {"status": 418, "code": "teapot"},
            418,
            {"error": {"code": "teapot", "message": "I'm a Teapot"}},
        ),
        (
            "nexus_thread",
            {"status": 401},
            401,
            {"statusCode": 401, "message": "Invalid API key", "error": "Unauthorized"},
        ),
        (
            "nexus_thread",
            {"code": "Forbidden"},
            403,
            {"statusCode": 403, "message": "Insufficient permissions", "error": "Forbidden"},
        ),
        (
            "nexus_thread",
            {"status": 500},
            500,
            {"statusCode": 500, "message": "Internal server error", "error": "Internal Server Error"},
        ),
        ("nexus_thread", {"body": {"odd": 1}}, 200, {"odd": 1}),
    ],
)
def test_a_fault_has_the_error_body_of_its_service(sandbox, http, endpoint, fault, status, body):
    """A status or a code alone has the error body of the service."""
    sandbox.fault(endpoint, **fault)
    answer = request_service(sandbox, http, endpoint, new_service_keys(sandbox))
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        (
            "nimbus_os",
            {"code": "payload_too_large", "message": "Request body is too large", "requestId": "r"},
        ),
        ("neuroai_verify", {"code": "payload_too_large", "message": "Request body is too large"}),
        ("nexus_thread", "Payload Too Large"),
    ],
)
def test_a_body_that_is_too_large_has_the_error_body_of_its_service(sandbox, http, endpoint, error):
    """413 has the form of the other errors of the service."""
    method, path, _ = SERVICE_REQUESTS[endpoint]
    headers = {"X-Request-ID": "r"}
    answer = http.request(method, f"{sandbox.api_url}/{path}", headers=headers, content=b"x" * 2**20 + b"x")
    assert (answer.status_code, answer.json()["error"]) == (413, error)


def test_a_bare_404_is_about_a_key_only_for_revoke(sandbox, http):
    """A 404 of another endpoint does not say that a key is missing."""
    for endpoint, path, code in (
        ("model_file", "v1/models/x", "NOT_FOUND"),
        ("revoke", "v1/auth/revoke", "KEY_NOT_FOUND"),
    ):
        sandbox.fault(endpoint, status=404, times=None)
        method = "POST" if endpoint == "revoke" else "GET"
        answer = http.request(method, f"{sandbox.api_url}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)
