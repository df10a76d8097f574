"""Invalid fields of a NeuroAI key."""

from __future__ import annotations

import pytest

from nimbus_sdk.sandbox.neuroai.keys import is_allowed_from, is_referrer
from tests.support.sandbox_requests import (
    neuroai_error,
)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": None}, "name is a text of 1 to 200 characters."),
        ({"name": " "}, "name is a text of 1 to 200 characters."),
        ({"description": 5}, "description is a text of 0 to 200 characters."),
        (
            {"role": "Emperor"},
            "role is one of Viewer, Developer, Administrator, API Manager, or permissions say",
        ),
        ({"role": 5}, "role is the name of a role."),
        ({"type": "pet"}, "type is one of personal, team, service."),
        ({"permissions": "all"}, "permissions is a list of at most 100 texts."),
        ({"permissions": 5}, "permissions is a list of at most 100 texts."),
        ({"permissions": [5]}, "permissions is a list of texts of 1 to 200 characters."),
        ({"expires_at": "tomorrow"}, "expires_at is a time in ISO 8601 with its time zone, or null."),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at is a time in ISO 8601 with its time zone"),
        ({"expires_at": "2025-10-31T12:00:00Z"}, "expires_at is in the past."),
        ({"referrers": ["no domain!"]}, "'no domain!' is neither a domain nor an address nor a network."),
        ({"referrers": ["http://[broken"]}, "is neither a domain nor an address nor a network."),
        ({"rate_limit": {"requests": 5}}, "rate_limit is an object of requests and per_seconds, or null."),
        ({"rate_limit": {"requests": 0, "per_seconds": 1}}, "requests and per_seconds are whole numbers"),
        ({"colour": "red"}, "colour cannot be set here, only name, description, role, permissions,"),
        ({"key": "nai_mine"}, "key cannot be set here"),
    ],
)
def test_invalid_fields_are_422_with_a_message(neuroai, admin, fields, message):
    """Each invalid field is an invalid request whose message says what is valid, and creates no key."""
    body = {"name": "x", "type": "team", "role": "Viewer", **fields}
    answer = neuroai(admin, "POST", "/api-keys", json=body)
    assert neuroai_error(answer) == (422, "invalid_request")
    assert message in answer.json()["error"]["message"]
    assert len(neuroai(admin, "GET", "/api-keys").json()["data"]) == 1


def test_invalid_bodies_and_changes_are_422(neuroai, admin):
    """A body that is not a JSON object, and a change of type, are invalid requests."""
    own = neuroai(admin, "GET", "/auth/verify").json()["key"]["id"]
    for answer in (
        neuroai(admin, "POST", "/api-keys", content=b"{}"),
        neuroai(admin, "POST", "/api-keys", json=[]),
        neuroai(admin, "PATCH", f"/api-keys/{own}", json={"type": "service"}),
        neuroai(admin, "PATCH", f"/api-keys/{own}", json={"name": ""}),
    ):
        assert neuroai_error(answer) == (422, "invalid_request")


def test_referrers_are_domains_addresses_and_networks():
    """A pattern allows its subdomains, a network its addresses."""
    entries = ("*.example.com", "10.0.0.0/8", "https://example.com/", "?")
    assert [is_referrer(entry) for entry in entries] == [True, True, True, False]
    assert is_allowed_from(["*.example.com"], "https://app.example.com/page", "203.0.113.9")
    assert not is_allowed_from(["203.0.113.0/24"], "", "198.51.100.7")
