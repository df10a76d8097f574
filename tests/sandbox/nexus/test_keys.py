"""Keys of Nexus: claims, signatures, expiry, revocation."""

from __future__ import annotations

import base64
import json

import jwt
import pytest

from nimbus_sdk.errors import ConfigurationError
from tests.sandbox.conftest import NOON

INVALID = {"statusCode": 401, "message": "Invalid API key", "error": "Unauthorized"}


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
