"""Files are served whole and in ranges, and errors have the body of their service."""

from __future__ import annotations

import pytest

from nimbus_sdk.sandbox.http.responses import iso
from tests.support.sandbox_requests import (
    REPOSITORY,
    SERVICE_REQUESTS,
    new_service_keys,
    request_service,
)


def test_storage_serves_whole_files(http, link):
    """Without a range the whole file comes, with what a later resume needs."""
    answer = http.get(link)
    assert answer.status_code == 200
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("requested", "part", "content_range"),
    [
        ("bytes=0-9", slice(0, 10), "bytes 0-9/{size}"),
        ("bytes=10-", slice(10, None), "bytes 10-{last}/{size}"),
        ("bytes=-7", slice(-7, None), "bytes {tail}-{last}/{size}"),
        ("bytes=5-999999999", slice(5, None), "bytes 5-{last}/{size}"),
    ],
)
def test_ranges_are_honoured(http, link, requested, part, content_range):
    """A single range is answered with 206 and exactly those bytes."""
    whole = http.get(link).content
    answer = http.get(link, headers={"Range": requested})
    size = len(whole)
    assert answer.status_code == 206
    assert answer.content == whole[part]
    assert answer.headers["content-range"] == content_range.format(size=size, last=size - 1, tail=size - 7)


def test_unsatisfiable_ranges_are_416(http, link):
    """A range past the end is 416 with the size."""
    size = len(http.get(link).content)
    answer = http.get(link, headers={"Range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert http.get(link, headers={"Range": "bytes=-0"}).status_code == 416


@pytest.mark.parametrize("ignored", ["lines=0-5", "bytes=a-b", "bytes=0-1,4-5", "bytes=-"])
def test_invalid_ranges_return_the_whole_file(http, link, ignored):
    """Other units, several ranges and nonsense are ignored, as RFC 9110 allows."""
    assert http.get(link, headers={"Range": ignored}).status_code == 200


def test_a_range_of_thousands_of_digits_is_invalid(http, link):
    """Such a range is ignored."""
    answer = http.get(link, headers={"Range": f"bytes={'9' * 5000}-"})
    assert answer.status_code == 200


def test_if_range_resumes_the_same_file_only(http, link):
    """The right entity tag gets the part, any other the whole file."""
    etag = http.get(link).headers["etag"]
    same = http.get(link, headers={"Range": "bytes=1-2", "If-Range": etag})
    other = http.get(link, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    weak = http.get(link, headers={"Range": "bytes=1-2", "If-Range": f"W/{etag}"})
    assert [same.status_code, other.status_code, weak.status_code] == [206, 200, 200]


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


def test_times_are_whole_seconds_in_utc():
    """Unix seconds are written as ISO 8601 with a Z."""
    assert iso(1_761_955_200) == "2025-11-01T00:00:00Z"
