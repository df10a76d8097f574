"""Threads of Nexus: header, body, and the documented errors."""

from __future__ import annotations

import re

import pytest

INVALID = {"statusCode": 401, "message": "Invalid API key", "error": "Unauthorized"}
INSUFFICIENT = {"statusCode": 403, "message": "Insufficient permissions", "error": "Forbidden"}


def test_an_agent_answers_a_thread_and_says_that_it_is_none(sandbox, post_thread):
    """POST /api/public/thread answers 201 with a thread's id and a reply that nobody takes for an agent's."""
    answer = post_thread(sandbox.new_nexus_key(agent_id="agt_def456"))
    thread = answer.json()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"thr_[0-9a-f]{16}", thread["threadId"])
    assert thread == {
        "threadId": thread["threadId"],
        "agentId": "agt_def456",
        "reply": "[sandbox] No agent read this message of 5 characters; "
        "this reply is the same for every message.",
    }


def test_the_custom_headers_are_logged_and_the_request_id_is_returned(sandbox, post_thread):
    """X-Request-ID is echoed, and X-Client-Version is in the journal."""
    headers = {"X-Request-ID": "unique-request-id", "X-Client-Version": "1.0.0"}
    answer = post_thread(sandbox.new_nexus_key(), headers=headers)
    (exchange,) = sandbox.journal()
    assert answer.headers["x-request-id"] == "unique-request-id"
    assert exchange.endpoint == "nexus_thread"
    assert exchange.request_id == "unique-request-id"
    assert exchange.headers["x-client-version"] == "1.0.0"
    assert exchange.headers["api-key"] == "***"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"api-key": ""},
        {"api-key": "nxs_abc123"},
        {"api-key": "Bearer {key}"},
        {"api-key": "{key}x"},
        {"X-API-Key": "{key}"},
        {"Authorization": "Bearer {key}"},
        {"api_key": "{key}"},
    ],
)
def test_a_missing_or_invalid_key_is_the_documented_401(sandbox, post_thread, headers):
    """No key, another text, a Bearer prefix or a header of another name: 401, word for word."""
    key = sandbox.new_nexus_key()
    answer = post_thread(headers={name: value.format(key=key) for name, value in headers.items()})
    assert (answer.status_code, answer.json()) == (401, INVALID)


def test_three_reasons_are_the_documented_403(sandbox, post_thread):
    """A missing permission, a disabled integration and a disabled agent are 403; enabled again, they work."""
    reader = sandbox.new_nexus_key(permissions=["read"])
    assert (post_thread(reader).status_code, post_thread(reader).json()) == (403, INSUFFICIENT)

    key = sandbox.new_nexus_key(integration_id="int_abc123", agent_id="agt_def456")
    for name in ("int_abc123", "agt_def456"):
        sandbox.disable_nexus(name)
        assert (post_thread(key).status_code, post_thread(key).json()) == (403, INSUFFICIENT)
        assert post_thread(sandbox.new_nexus_key()).status_code == 201
        sandbox.enable_nexus(name)
        assert post_thread(key).status_code == 201


@pytest.mark.parametrize(
    "options",
    [{"json": {}}, {"json": {"message": ""}}, {"json": {"message": 5}}, {"content": b'{"message": "Hello"}'}],
)
def test_a_thread_without_a_message_is_400(sandbox, post_thread, options):
    """A missing, empty or unreadable message is refused in the documented form."""
    answer = post_thread(sandbox.new_nexus_key(), **options)
    assert (answer.status_code, answer.json()) == (
        400,
        {"statusCode": 400, "message": "message should be a text that is not empty", "error": "Bad Request"},
    )


def test_other_paths_and_methods_are_refused_in_the_documented_form(sandbox, post_thread):
    """405 lists the allowed method; any other path is 404."""
    key = sandbox.new_nexus_key()
    other = post_thread(key, method="GET")
    assert (other.status_code, other.headers["allow"]) == (405, "POST")
    assert other.json() == {
        "statusCode": 405,
        "message": "Method not allowed",
        "error": "Method Not Allowed",
    }
    nowhere = post_thread(key, path="/api/public/agents")
    assert nowhere.json() == {"statusCode": 404, "message": "Not found", "error": "Not Found"}
