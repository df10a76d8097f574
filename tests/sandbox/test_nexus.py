"""Nexus: keys with claims, signatures and expiry, and threads with the documented errors."""

from __future__ import annotations

import base64
import json
import re

import jwt
import pytest

from nimbus_sdk.errors import ConfigurationError
from tests.sandbox.conftest import NOON

INVALID = {"statusCode": 401, "message": "Invalid API key", "error": "Unauthorized"}
INSUFFICIENT = {"statusCode": 403, "message": "Insufficient permissions", "error": "Forbidden"}


@pytest.fixture
def post_thread(sandbox, http):
    """Post to Nexus."""

    def call(key=None, *, headers=None, method="POST", path="/api/public/thread", **options):
        sent = {**({} if key is None else {"api-key": key}), **(headers or {})}
        body = options or {"json": {"message": "Hello"}}
        return http.request(method, f"{sandbox.nexus_url}{path}", headers=sent, **body)

    return call


def test_a_key_is_a_jwt_with_the_documented_claims(sandbox):
    """The claims are those of the page and no others, signed with HS256."""
    key = sandbox.new_nexus_key(
        integration_id="int_abc123",
        organization_id="org_xyz789",
        agent_id="agt_def456",
        permissions=["read", "write"],
        expires_in=90,
    )
    assert jwt.decode(key, options={"verify_signature": False}) == {
        "integrationId": "int_abc123",
        "organizationId": "org_xyz789",
        "agentId": "agt_def456",
        "permissions": ["read", "write"],
        "exp": int(NOON) + 90,
    }
    head = jwt.get_unverified_header(key)
    assert (head["alg"], head["typ"]) == ("HS256", "JWT")


def test_keys_of_one_integration_differ(sandbox, post_thread):
    """Two keys with the same claims are two keys: revoking one does not revoke the other."""
    keys = [sandbox.new_nexus_key(integration_id="int_abc123") for _ in range(2)]
    sandbox.revoke_nexus_key(keys[0])
    assert [post_thread(key).status_code for key in keys] == [401, 201]


def forged(key):
    """The key with more permissions, as its owner might write it; the signature is the old one."""
    head, claims, signature = key.split(".")
    padded = claims + "=" * (-len(claims) % 4)
    changed = {**json.loads(base64.urlsafe_b64decode(padded)), "permissions": ["read", "write"]}
    text = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    return f"{head}.{text}.{signature}"


def test_forged_keys_are_401(sandbox, post_thread):
    """Changed claims, another secret's signature and no signature at all are refused."""
    key = sandbox.new_nexus_key(permissions=["read"])
    claims = jwt.decode(key, options={"verify_signature": False})
    unsigned = jwt.encode(claims, None, "none")
    foreign = jwt.encode(claims, b"0" * 32, "HS256")
    for wrong in (forged(key), unsigned, foreign):
        assert post_thread(wrong).json() == INVALID


def test_a_key_expires_on_the_sandboxs_clock(sandbox, post_thread, clock):
    """In its last second a key is valid, in the next it is 401."""
    key = sandbox.new_nexus_key(expires_in=60)
    clock.now += 59
    assert post_thread(key).status_code == 201
    clock.now += 1
    assert (post_thread(key).status_code, post_thread(key).json()) == (401, INVALID)
    assert post_thread(sandbox.new_nexus_key(expires_in=-5)).status_code == 401


def test_a_revoked_key_is_401_at_once(sandbox, post_thread):
    """The request after the revocation is 401, and nothing is revoked twice."""
    key = sandbox.new_nexus_key()
    assert post_thread(key).status_code == 201
    sandbox.revoke_nexus_key(key)
    assert (post_thread(key).status_code, post_thread(key).json()) == (401, INVALID)
    with pytest.raises(ConfigurationError, match="no such active Nexus key"):
        sandbox.revoke_nexus_key(key)


def test_invalid_ids_are_refused_in_python(sandbox):
    """An id with other characters is a configuration error that shows it."""
    with pytest.raises(ConfigurationError, match="int 1"):
        sandbox.new_nexus_key(integration_id="int 1")


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
