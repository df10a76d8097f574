"""Pages and the two spellings of names."""

from __future__ import annotations

import pytest

from tests.support.sandbox_requests import (
    neuroai_error,
)


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "x"}, {"cursor": "§"}, {"cursor": "AAAA"}],
)
def test_invalid_pages_are_422(neuroai, admin, params):
    """A limit out of range and an unknown cursor are invalid requests."""
    assert neuroai_error(neuroai(admin, "GET", "/api-keys", params=params)) == (422, "invalid_request")


def test_responses_can_be_in_camel_case(sandbox, neuroai, admin):
    """With the switch set every name is camelCase, at every depth, and requests stay as they were."""
    sandbox.switches.neuroai_camel_case = True
    made = neuroai(
        admin,
        "POST",
        "/api-keys",
        json={"name": "x", "type": "team", "rate_limit": {"requests": 5, "per_seconds": 1}},
    ).json()
    assert made["rateLimit"] == {"requests": 5, "perSeconds": 1}
    assert {"expiresAt", "createdAt", "rotatedAt", "lastUsedAt", "keyPrefix", "key"} < made.keys()
    assert not [name for name in made if "_" in name]
    page = neuroai(admin, "GET", "/api-keys", params={"limit": 1}).json()
    assert page.keys() == {"data", "nextCursor"}
    assert neuroai(admin, "GET", "/auth/verify").json()["key"]["keyPrefix"] == admin[:12]
