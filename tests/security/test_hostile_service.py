"""What a service that means harm can do with its answers: be refused, and nothing beyond.

Shapes, sizes, delays and redirects are tried in tests/transport, codes in tests/api.
"""

from __future__ import annotations

import json

import pytest

import nimbus_sdk
from nimbus_sdk.errors import CoreDownloadError, NimbusError
from nimbus_sdk.sandbox import Sandbox
from tests.security.fuzz.seeds import ENTITLEMENT, MODEL

DRIVING = "\x1b[2J\x1b]0;gone\x07\x9b31m\r\n\u202eevil\u2066"
SAFE = "[2J]0;gone31m  evil"


def drives(text: str) -> bool:
    """Whether a text holds what a terminal acts upon; lines of our own tables and lists apart."""
    return any(not sign.isprintable() for sign in text.replace("\n", ""))


def test_no_word_of_a_service_drives_the_terminal(sandbox: Sandbox, key: str):
    """Escape sequences and turned writing in a name, a tier or a feature are gone when they are shown."""
    people = dict.fromkeys(("user_id", "email", "name", "organization", "license_type"), f"a{DRIVING}b")
    sandbox.fault("validate", body={**ENTITLEMENT, **people, "features": [DRIVING]})
    session = nimbus_sdk.authenticate(key)
    assert session.name == f"a{SAFE}b"
    assert not drives(f"{session}{session!r}{session._repr_html_()}{session.to_json()}")
    with pytest.raises(NimbusError) as refused:
        session.require_feature("streaming")
    assert not drives(str(refused.value))


@pytest.mark.parametrize("name", ["validate", "github_token", "models"])
def test_no_refusal_of_a_service_drives_the_terminal(sandbox: Sandbox, key: str, name: str):
    """The same for everything that a refusal says: message, code, request id."""
    said = {"error": DRIVING, "code": DRIVING, "message": DRIVING, "requestId": DRIVING}
    sandbox.fault(name, status=403, body=said, times=None)
    calls = {"validate": "validate", "github_token": "github_token", "models": "list_models"}
    with nimbus_sdk.NimbusClient(key) as client, pytest.raises(NimbusError) as refused:
        getattr(client, calls[name])()
    assert not drives(str(refused.value))


@pytest.mark.tiny_core
def test_a_model_at_an_address_that_is_none_is_refused(sandbox: Sandbox, key: str):
    """A model's address comes from the service: only https is followed, and an invalid one is refused."""
    nimbus_sdk.install_core(key)
    for address in (
        "https://[",
        "https://host:99999/m",
        "https://host:x/m",
        "https://user:word@host/m",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "//host/m",
        "",
    ):
        model = {**MODEL, "name": "m", "download_url": address}
        sandbox.fault("models", body={"models": [model], "total": 1})
        with pytest.raises(CoreDownloadError, match="no safe URL"):
            pytest.fail(f"{address} gave {nimbus_sdk.download_model('m')}")


def test_what_a_service_says_is_kept_as_data(sandbox: Sandbox, key: str):
    """Markup in what a service says stays text, in a notebook as well."""
    sandbox.fault("validate", body={**ENTITLEMENT, "email": "<img src=x onerror=alert(1)>"})
    session = nimbus_sdk.authenticate(key)
    assert "<img" not in session._repr_html_()
    assert json.loads(session.to_json())["email"] == "<img src=x onerror=alert(1)>"
