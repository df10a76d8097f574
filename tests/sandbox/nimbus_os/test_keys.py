"""Keys of Nimbus OS: environments and revocation."""

from __future__ import annotations

import pytest

from nimbus_sdk.errors import ConfigurationError


def test_a_key_is_unknown_in_the_other_environment(sandbox, request_orders):
    """Keys of sandbox and production are separate: each is 401 in the other one."""
    keys = {name: sandbox.new_nimbus_os_key(environment=name) for name in ("sandbox", "production")}
    statuses = {
        (owner, visited): request_orders(key, environment=visited).status_code
        for owner, key in keys.items()
        for visited in keys
    }
    assert statuses == {
        ("sandbox", "sandbox"): 200,
        ("sandbox", "production"): 401,
        ("production", "production"): 200,
        ("production", "sandbox"): 401,
    }


def test_a_revoked_key_stops_working_at_once(sandbox, request_orders):
    """The request after the revocation is 401, other keys stay valid, and a key is revoked only once."""
    key, other = sandbox.new_nimbus_os_key(), sandbox.new_nimbus_os_key()
    assert request_orders(key).status_code == 200
    sandbox.revoke_nimbus_os_key(key)
    answer = request_orders(key)
    assert (answer.status_code, answer.json()) == (
        401,
        {
            "error": {
                "code": "unauthorized",
                "message": "Invalid or missing API key",
                "requestId": answer.headers["x-request-id"],
            }
        },
    )
    assert request_orders(other).status_code == 200
    with pytest.raises(ConfigurationError, match="no such active Nimbus OS key"):
        sandbox.revoke_nimbus_os_key(key)


def test_invalid_names_are_named_in_python(sandbox):
    """An unknown environment or permission is a configuration error that lists the valid ones."""
    with pytest.raises(ConfigurationError, match="'staging'") as error:
        sandbox.new_nimbus_os_key(environment="staging")
    assert "sandbox, production" in str(error.value)
    with pytest.raises(ConfigurationError, match="'staging'"):
        sandbox.nimbus_os_url("staging")
    with pytest.raises(ConfigurationError, match="patients:read"):
        sandbox.new_nimbus_os_key(permissions=["patients:read"])
