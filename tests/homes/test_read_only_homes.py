"""A home that cannot be written: what is there works on, what is new is used and not kept, and it is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.homes.conftest import Examine, Told
from tests.support.other_users import give_back_writing, has_mounts, take_away_writing

INSTALL = "ask('install', install)"
SIGN_IN = "ask('sign in', lambda: nimbus_sdk.authenticate(key()).key_fingerprint)"
LOOK = """
ask("session", lambda: nimbus_sdk.current_session().key_fingerprint)
ask("decode", decoded)
ask("whole", lambda: bool(nimbus_sdk.check_installation()))
ask("again", lambda: nimbus_sdk.install_core().key_fingerprint)
"""
RENEW = """
ask("renew", lambda: nimbus_sdk.refresh_quota().stale)
ask("authenticate", lambda: nimbus_sdk.authenticate().stale)
ask("quota", nimbus_sdk.check_quota_and_refresh)
ask("models", lambda: len(nimbus_sdk.list_available_models()))
"""
CLOSED = """
import subprocess
home = os.environ["NIMBUS_SDK_HOME"]
subprocess.run(["mount", "--bind", home, home], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", home], check=True)
"""
WAYS = ["permissions", "mount"] if has_mounts() else ["permissions"]


@pytest.fixture
def home(own_world: Path) -> Iterator[Path]:
    """The home of the SDK, which can be removed in the end."""
    home = own_world / "nimbus"
    yield home
    give_back_writing(home)


@pytest.fixture(params=WAYS)
def in_closed_home(request: pytest.FixtureRequest, home: Path, examine: Examine) -> Examine:
    """Closes the home, by permissions or by a read-only mount, and examines in it."""

    def run(code: str, **options: str) -> Told:
        if request.param == "mount":
            return examine(CLOSED + code, mounts=True, **options)
        take_away_writing(home)
        return examine(code, **options)

    return run


def test_what_is_installed_works_on(
    examine: Examine, in_closed_home: Examine, key: str, sandbox: Sandbox
) -> None:
    """Session, core and a second install need no write, and ask nobody."""
    assert examine(INSTALL)["install"]["fault"] is None
    sandbox.clear_journal()
    told = in_closed_home(LOOK)
    fingerprint = ApiKey.parse(key).fingerprint
    assert [told[name].get("value") for name in ("session", "decode", "whole", "again")] == [
        fingerprint,
        20,
        True,
        fingerprint,
    ], told
    assert sandbox.journal() == []


def test_what_is_renewed_is_used_and_not_kept(
    examine: Examine, in_closed_home: Examine, sandbox: Sandbox
) -> None:
    """A renewal gives its fresh answer although the disk refuses it, and says so."""
    assert examine(SIGN_IN)["sign in"]["fault"] is None
    told = in_closed_home(RENEW)
    assert [told[name].get("value") for name in ("renew", "authenticate", "quota", "models")] == [
        False,
        False,
        True,
        4,
    ], told
    assert "was not kept" in str(told["stderr"]["text"])


def test_a_dead_key_is_told_where_its_session_cannot_be_removed(
    examine: Examine, in_closed_home: Examine, key: str, sandbox: Sandbox
) -> None:
    """The error is the service's word about the key, and not the disk's about a file."""
    assert examine(SIGN_IN)["sign in"]["fault"] is None
    sandbox.revoke_key(key)
    told = in_closed_home("ask('renew', nimbus_sdk.refresh_quota)\nask('revoke', nimbus_sdk.revoke_api_key)")
    assert told["renew"]["fault"] == "InvalidKeyError"
    assert told["revoke"]["fault"] == "KeyNotFoundError"
    assert "could not be removed" in str(told["stderr"]["text"])


def test_a_first_install_says_where_it_cannot_write(in_closed_home: Examine, home: Path) -> None:
    """Nothing is left, and the message names the place and the way out."""
    told = in_closed_home(INSTALL)["install"]
    assert told["fault"] in ("CoreInstallError", "SessionError", "CredentialStoreError"), told
    assert str(home) in str(told["message"])
    assert "NIMBUS_SDK_HOME" in str(told["message"]) or "permission" in str(told["message"])
    assert os.listdir(home) == []


def test_a_key_from_the_environment_works_where_nothing_can_be_kept(
    in_closed_home: Examine, key: str
) -> None:
    """A container with a read-only disk authenticates, lists models and logs usage."""
    told = in_closed_home(RENEW, NIMBUS_API_KEY=key)
    assert told["authenticate"].get("value") is False, told
    assert told["models"].get("value") == 4
    assert told["renew"].get("value") is False
