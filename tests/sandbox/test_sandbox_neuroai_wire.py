"""What NeuroAI refuses to read on the sandbox, and the two spellings in which it answers."""

from __future__ import annotations

import pytest


def refusal(answer):
    """Status and error code."""
    return answer.status_code, answer.json()["error"]["code"]


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
        ({"permissions": [5]}, "permissions is a list of texts of 1 to 200 characters."),
        ({"expires_at": "tomorrow"}, "expires_at is a moment in ISO 8601 with its time zone, or null."),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at is a moment in ISO 8601 with its time zone"),
        ({"expires_at": "2025-10-31T12:00:00Z"}, "expires_at is in the past."),
        ({"referrers": ["no domain!"]}, "'no domain!' is neither a domain nor an address nor a network."),
        ({"referrers": ["http://[broken"]}, "is neither a domain nor an address nor a network."),
        ({"rate_limit": {"requests": 5}}, "rate_limit is an object of requests and per_seconds, or null."),
        ({"rate_limit": {"requests": 0, "per_seconds": 1}}, "requests and per_seconds are whole numbers"),
        ({"colour": "red"}, "colour cannot be set here, only name, description, role, permissions,"),
        ({"key": "nai_mine"}, "key cannot be set here"),
    ],
)
def test_unusable_fields_are_422_with_words(neuroai, admin, fields, message):
    """Each unusable field is an invalid request whose message says what it should be, and makes no key."""
    wanted = {"name": "x", "type": "team", "role": "Viewer", **fields}
    answer = neuroai(admin, "POST", "/api-keys", json=wanted)
    assert refusal(answer) == (422, "invalid_request")
    assert message in answer.json()["error"]["message"]
    assert len(neuroai(admin, "GET", "/api-keys").json()["data"]) == 1


def test_bodies_and_changes_that_cannot_be_are_422(neuroai, admin):
    """A body that is no JSON object, and a change of type, are invalid requests."""
    own = neuroai(admin, "GET", "/auth/verify").json()["key"]["id"]
    for answer in (
        neuroai(admin, "POST", "/api-keys", content=b"{}"),
        neuroai(admin, "POST", "/api-keys", json=[]),
        neuroai(admin, "PATCH", f"/api-keys/{own}", json={"type": "service"}),
        neuroai(admin, "PATCH", f"/api-keys/{own}", json={"name": ""}),
    ):
        assert refusal(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "x"}, {"cursor": "§"}, {"cursor": "AAAA"}],
)
def test_pages_that_do_not_exist_are_422(neuroai, admin, params):
    """A limit out of range and a cursor that no list gave are invalid requests."""
    assert refusal(neuroai(admin, "GET", "/api-keys", params=params)) == (422, "invalid_request")


def test_other_methods_and_paths(neuroai, admin):
    """405 tells the methods that are taken; an unknown path is 404, or 401 to strangers."""
    answer = neuroai(admin, "PUT", "/api-keys")
    assert (*refusal(answer), answer.headers["allow"]) == (405, "method_not_allowed", "GET, POST")
    assert refusal(neuroai(admin, "GET", "/users")) == (404, "not_found")
    assert refusal(neuroai(None, "GET", "/users")) == (401, "unauthorized")


def test_answers_can_be_spelt_in_camel_case(sandbox, neuroai, admin):
    """With the switch thrown every name is camelCase, at every depth, and requests stay as they were."""
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
