"""The claims in a Nexus key: parsed, and never trusted."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import jwt
import pytest

from nimbus_sdk import services
from nimbus_sdk.errors import InvalidKeyFormatError, KeyExpiredError, PermissionDeniedError
from nimbus_sdk.services import UnverifiedClaims
from tests.services.conftest import NEXUS_KEY, either_kind
from tests.support.evidence import everything_in

DOCUMENTED = {
    "integrationId": "int_abc123",
    "organizationId": "org_xyz789",
    "agentId": "agt_def456",
    "permissions": ["read", "write"],
    "exp": 1735689600,
}


def signed(claims: object) -> str:
    """A key with these claims, whatever they are."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    top, _, mark = jwt.encode({}, "k" * 32, algorithm="HS256").split(".")
    return f"{top}.{body}.{mark}"


def test_the_documented_claims_are_read(open_client):
    """Every field of the page's example, and that it proves nothing."""
    claims = open_client("Nexus", signed(DOCUMENTED)).client.claims
    assert claims == UnverifiedClaims(
        integration_id="int_abc123",
        organization_id="org_xyz789",
        agent_id="agt_def456",
        permissions=frozenset({"read", "write"}),
        expires_at=datetime(2025, 1, 1, tzinfo=UTC),
    )
    assert claims.verified is False
    assert claims.to_dict()["verified"] is False
    assert "Unverified" in repr(claims)
    assert claims.to_dict()["expires_at"] == "2025-01-01T00:00:00Z"


def test_the_signature_is_not_looked_at(open_client):
    """Anybody can write such a key, which is why the type says so."""
    forged = signed(DOCUMENTED).rsplit(".", 1)[0] + ".AAAA"
    assert open_client("Nexus", forged).client.claims.agent_id == "agt_def456"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"integrationId": 7, "permissions": "read", "exp": "never"},
        {"permissions": [1, None], "exp": True},
        {"permissions": {"read": 1}, "exp": 1e300},
        {"exp": -1e300},
        {"exp": float("inf")},
    ],
)
def test_claims_of_the_wrong_type_are_as_good_as_none(open_client, claims):
    """The service decides about them; nothing breaks here."""
    read = open_client("Nexus", signed(claims)).client.claims
    assert (read.integration_id, read.permissions, read.expires_at) == (None, frozenset(), None)


@pytest.mark.parametrize(
    "key",
    ["abc", "a.b", "a.b.c.d", "a..c", ".b.c", "a b.c.d", "eyJ.ey=.x"],
)
def test_what_has_not_the_form_of_a_token_is_refused_at_once(key):
    """Three parts with dots between them, and nothing else in it."""
    with pytest.raises(InvalidKeyFormatError, match=r"JSON Web Token|white space") as caught:
        services.Nexus(key)
    assert len(key) < 5 or key not in everything_in(caught.value)


@pytest.mark.parametrize("key", ["aaaa.bbbb.cccc", signed([1]), signed("text"), f"{NEXUS_KEY[:60]}.c2ln"])
def test_a_token_in_which_nothing_can_be_read_is_refused_before_any_call(open_client, replies, key):
    """A key that was cut in the middle looks like one, and is none."""
    client = open_client("Nexus", key, base_url=replies.url)
    with pytest.raises(InvalidKeyFormatError, match="nothing can be read") as caught:
        client("create_thread", "Hello")
    assert key not in everything_in(caught.value)
    assert replies.server.connections == 0


@either_kind
def test_an_expired_key_is_refused_before_the_call(open_client, replies):
    """The moment is named, and that the clocks were not compared yet; nothing is sent."""
    client = open_client("Nexus", signed(DOCUMENTED), base_url=replies.url)
    with pytest.raises(KeyExpiredError, match="expired at 2025-01-01 00:00:00 UTC") as caught:
        client("create_thread", "Hello")
    assert "not been compared" in caught.value.message
    assert caught.value.exit_code == 4
    assert "Nexus dashboard" in caught.value.hint
    with pytest.raises(KeyExpiredError):
        client("save_key")
    assert replies.server.connections == 0


@either_kind
def test_a_permission_that_is_not_claimed_stops_early(open_client, box):
    """Locally, with what the key does claim; one that is claimed is still the service's to decide."""
    reader = open_client("Nexus", box.new_nexus_key(permissions=["read"]), base_url=box.nexus_url)
    reader.client.require_permission("read")
    with pytest.raises(PermissionDeniedError, match=r"'write'.*it claims: read") as caught:
        reader.client.require_permission("write")
    assert caught.value.status is None
    with pytest.raises(PermissionDeniedError) as refused:
        reader("create_thread", "Hello")
    assert refused.value.status == 403


def test_the_documents_other_form_of_a_key_is_used_and_has_no_claims(open_client, replies):
    """``nxs_…`` is in the page's samples: calls are sent, and there are no claims."""
    replies.say("200 OK", {})
    client = open_client("Nexus", "nxs_abc123xyz789def456uvw", base_url=replies.url)
    client("create_thread", "Hello")
    assert replies.server.requests[0].headers["api-key"] == "nxs_abc123xyz789def456uvw"
    for read in (lambda: client.client.claims, lambda: client.client.require_permission("write")):
        with pytest.raises(InvalidKeyFormatError, match="has no claims"):
            read()


@either_kind
def test_the_claims_of_a_stored_key_can_be_read(open_client, replies):
    """With no call made yet, the key is looked for where it is."""
    key = signed({**DOCUMENTED, "exp": int(time.time()) + 60})
    open_client("Nexus", key, base_url=replies.url)("save_key")
    assert open_client("Nexus", base_url=replies.url).client.claims.agent_id == "agt_def456"


def test_a_revoked_integration_is_refused_by_the_service(open_client, box):
    """What the key says of itself does not matter then."""
    key = box.new_nexus_key()
    client = open_client("Nexus", key, base_url=box.nexus_url)
    client("create_thread", "Hello")
    box.revoke_nexus_key(key)
    with pytest.raises(Exception, match="401") as caught:
        client("create_thread", "Hello")
    assert type(caught.value).__name__ == "InvalidKeyError"


@pytest.mark.parametrize("body", [[], "text", 7])
def test_a_response_that_is_no_thread_is_an_error(open_client, replies, body):
    """A response must at least be an object."""
    replies.say("200 OK", body)
    with pytest.raises(Exception, match="not a thread"):
        open_client("Nexus", NEXUS_KEY, base_url=replies.url)("create_thread", "Hello")
    with pytest.raises(Exception, match="message is empty"):
        open_client("Nexus", NEXUS_KEY, base_url=replies.url)("create_thread", " \n")
