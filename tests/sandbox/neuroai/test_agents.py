"""Synthetic agents."""

from __future__ import annotations

from tests.support.sandbox_requests import (
    neuroai_error,
)


def test_agents_are_created_and_renamed(sandbox, neuroai):
    """A Developer creates and renames an agent; an unknown one is 404, one without a name 422."""
    key = sandbox.new_neuroai_key(role="Developer")
    made = neuroai(key, "POST", "/agents", json={"name": "Reader"}).json()
    assert neuroai(key, "PATCH", f"/agents/{made['id']}", json={"name": "Writer"}).status_code == 200
    assert neuroai(key, "GET", "/agents").json() == {
        "data": [{"id": "agt_sandbox", "name": "Sandbox agent"}, {"id": made["id"], "name": "Writer"}],
        "next_cursor": None,
    }
    assert neuroai_error(neuroai(key, "PATCH", "/agents/agt_none", json={"name": "x"})) == (404, "not_found")
    assert neuroai_error(neuroai(key, "POST", "/agents", json={})) == (422, "invalid_request")
