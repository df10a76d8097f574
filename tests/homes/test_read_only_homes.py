"""A read-only home: what is installed keeps working, what is new is used and not stored, with a warning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.homes.conftest import Results, RunCode
from tests.support.other_users import give_back_writing, has_mounts, take_away_writing

pytestmark = pytest.mark.usefixtures("either_core")

INSTALL = "record('install', install)"
SIGN_IN = "record('sign in', lambda: nimbus_sdk.authenticate(key()).key_fingerprint)"
FIND = """
record("session", lambda: nimbus_sdk.current_session().key_fingerprint)
record("decode", decoded)
record("whole", lambda: bool(nimbus_sdk.check_installation()))
record("again", lambda: nimbus_sdk.install_core().key_fingerprint)
"""
RENEW = """
record("renew", lambda: nimbus_sdk.refresh_quota().stale)
record("authenticate", lambda: nimbus_sdk.authenticate().stale)
record("quota", nimbus_sdk.check_quota_and_refresh)
record("models", lambda: len(nimbus_sdk.list_available_models()))
"""
READ_ONLY = """
import subprocess
home = os.environ["NIMBUS_SDK_HOME"]
subprocess.run(["mount", "--bind", home, home], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", home], check=True)
"""
WAYS = ["permissions", "mount"] if has_mounts() else ["permissions"]


@pytest.fixture
def home(isolated_home: Path) -> Iterator[Path]:
    """The home of the SDK, which can be removed at the end."""
    home = isolated_home / "nimbus"
    yield home
    give_back_writing(home)


@pytest.fixture(params=WAYS)
def in_read_only_home(request: pytest.FixtureRequest, home: Path, run_code: RunCode) -> RunCode:
    """Makes the home read-only, by permissions or by a mount, and runs code in it."""

    def run(code: str, **options: str) -> Results:
        if request.param == "mount":
            return run_code(READ_ONLY + code, mounts=True, **options)
        take_away_writing(home)
        return run_code(code, **options)

    return run


def test_what_is_installed_keeps_working(
    run_code: RunCode, in_read_only_home: RunCode, key: str, sandbox: Sandbox
) -> None:
    """Session, core and a second install need no write access and send no request."""
    assert run_code(INSTALL)["install"]["error"] is None
    sandbox.clear_journal()
    results = in_read_only_home(FIND)
    fingerprint = ApiKey.parse(key).fingerprint
    assert [results[name].get("value") for name in ("session", "decode", "whole", "again")] == [
        fingerprint,
        20,
        True,
        fingerprint,
    ], results
    assert sandbox.journal() == []


def test_a_renewed_session_is_used_and_not_stored(
    run_code: RunCode, in_read_only_home: RunCode, sandbox: Sandbox
) -> None:
    """A renewal returns the new session although the disk refuses it, with a warning."""
    assert run_code(SIGN_IN)["sign in"]["error"] is None
    results = in_read_only_home(RENEW)
    assert [results[name].get("value") for name in ("renew", "authenticate", "quota", "models")] == [
        False,
        False,
        True,
        4,
    ], results
    assert "was not stored" in str(results["stderr"]["text"])


def test_a_rejected_key_is_reported_if_its_session_cannot_be_removed(
    run_code: RunCode, in_read_only_home: RunCode, key: str, sandbox: Sandbox
) -> None:
    """The error is the service's about the key, and not the disk's about a file."""
    assert run_code(SIGN_IN)["sign in"]["error"] is None
    sandbox.revoke_key(key)
    results = in_read_only_home(
        "record('renew', nimbus_sdk.refresh_quota)\nrecord('revoke', nimbus_sdk.revoke_api_key)"
    )
    assert results["renew"]["error"] == "InvalidKeyError"
    assert results["revoke"]["error"] == "KeyNotFoundError"
    assert "could not be removed" in str(results["stderr"]["text"])


def test_a_first_install_names_the_folder_it_cannot_write(in_read_only_home: RunCode, home: Path) -> None:
    """Nothing is left, and the message names the folder and what to do."""
    results = in_read_only_home(INSTALL)["install"]
    assert results["error"] in ("CoreInstallError", "SessionError", "CredentialStoreError"), results
    assert str(home) in str(results["message"])
    assert "NIMBUS_SDK_HOME" in str(results["message"]) or "permission" in str(results["message"])
    assert os.listdir(home) == []


def test_a_key_from_the_environment_works_if_nothing_can_be_stored(
    in_read_only_home: RunCode, key: str
) -> None:
    """A container with a read-only disk authenticates, lists models and logs usage."""
    results = in_read_only_home(RENEW, NIMBUS_API_KEY=key)
    assert results["authenticate"].get("value") is False, results
    assert results["models"].get("value") == 4
    assert results["renew"].get("value") is False
