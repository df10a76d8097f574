"""`nimbus-sdk status`: what is installed and set up, for people and for programs."""

from __future__ import annotations

import pytest

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.install import install_core
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus
from tests.support.flows import TINY_CORE

OTHER_KEY = "nbci_live_" + "0123456789abcdef" * 3

pytestmark = TINY_CORE


@pytest.fixture
def installed(sandbox: Sandbox, key: str) -> str:
    """A machine on which the core is installed; returns the key."""
    install_core(key)
    sandbox.clear_journal()
    return key


def test_status_of_an_empty_machine(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """If nothing is installed, status says so, ends with 0, and sends no request."""
    found = nimbus("status", "--json").document
    assert found["ready"] is False
    assert found["core"] == {
        "installed": False,
        "version": None,
        "path": None,
        "problems": ["The core is not installed."],
    }
    assert found["session"] is None
    assert "no session" in found["session_problem"]
    assert found["key"]["found"] is False
    assert sandbox.journal() == []
    text = nimbus("status")
    assert text.code == 0
    assert "The core is not installed." in text.out


def test_status_keys_are_stable(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Programs rely on these names."""
    found = nimbus("status", "--json").document
    assert found.keys() == {
        "ready",
        "sdk",
        "settings",
        "core",
        "session",
        "session_problem",
        "key",
        "credential_store",
        "keyring_rest",
        "key_removals",
    }
    assert found["sdk"].keys() == {"version", "python", "platform"}
    assert found["settings"].keys() == {
        "profile",
        "offline",
        "api_url",
        "github_url",
        "core_repo",
        "timeout",
        "dotenv",
        "config",
        "data",
        "state",
        "cache",
    }


def test_status_of_a_machine_that_is_ready(nimbus_process: Nimbus, sandbox: Sandbox, installed: str) -> None:
    """Everything is printed, in a fresh process, offline, and without the key."""
    done = nimbus_process("status", "--json", NIMBUS_SDK_OFFLINE="1")
    found = done.document
    assert found["ready"] is True
    assert found["core"]["problems"] == []
    assert found["session"]["license_type"] == "research"
    assert found["key"]["source"] == "store"
    assert found["credential_store"]["name"] == "file"
    assert found["settings"]["offline"] is True
    assert found["settings"]["api_url"] == sandbox.api_url
    text = nimbus_process("status")
    assert sandbox.journal() == []
    for said in (sandbox.api_url, "50,000", f"{installed[:14]}…{installed[-4:]}", "research", "0.1.0"):
        assert said in text.out
    assert installed not in done.out + done.err + text.out + text.err


def test_status_says_what_the_key_shadows(nimbus_process: Nimbus, installed: str) -> None:
    """A variable that hides the stored key is named, with both keys masked."""
    done = nimbus_process("status", NIMBUS_API_KEY=OTHER_KEY)
    assert "NIMBUS_API_KEY in the environment" in done.out
    assert "nbci_live_0123…cdef" in done.out
    shadowed = next(line for line in done.out.splitlines() if line.startswith("  shadowed"))
    assert f"{installed[:14]}…{installed[-4:]}" in shadowed
    # The session is the stored key's, and counts as absent for another one.
    assert "usable" in done.out
    assert OTHER_KEY not in done.out


def test_status_that_failed_does_not_advise_itself(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be used stops this command too, so it is no help for that."""
    monkeypatch.setenv("NIMBUS_SDK_TIMEOUT", "abc")
    done = nimbus("status")
    assert done.code == 2
    assert "NIMBUS_SDK_TIMEOUT" in done.err
    assert done.err.endswith("Hint: Correct it and run it again.\n")
    assert nimbus("status", "--json").error["hint"] == "Correct it and run it again."


def test_status_says_why_a_place_is_passed_over(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a key file that is missing, the reason is printed in place of a key."""
    monkeypatch.setenv("NIMBUS_SDK_API_KEY_FILE", "/no/such/file")
    done = nimbus("status").out
    line = next(line for line in done.splitlines() if line.startswith("  unreadable"))
    assert "/no/such/file" in line
    assert "cannot be read" in line


def test_status_reports_a_store_that_does_not_work(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyring that was demanded and is not there is a fact to show, not a reason to fail."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "keyring")
    found = nimbus("status", "--json").document
    assert found["credential_store"]["name"] is None
    assert "keyring" in found["credential_store"]["reason"]


def test_status_knows_the_store_without_asking_the_keyring(
    nimbus: Nimbus, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a key was stored before, its note says where: no keyring has to be opened for that."""
    monkeypatch.delenv("NIMBUS_SDK_CREDENTIAL_STORE")
    monkeypatch.setattr(
        "nimbus_sdk.doctor.machine_status.choose_store", lambda *_: pytest.fail("the store was asked")
    )
    found = nimbus("status", "--json").document
    assert found["credential_store"]["name"] == "file"
    assert "since" in found["credential_store"]["reason"]


def test_status_reports_a_paused_keyring(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyring that did not answer is left alone, and status says since when."""
    import time

    from nimbus_sdk.storage.keyring_breaker import trip

    path = Settings.load().paths.keyring_breaker
    trip(path, reason="did not answer", patience=60.0, now=time.time() - 120)
    assert nimbus("status", "--json").document["keyring_rest"] == "skipped: did not answer 2 min ago"
    assert "skipped: did not answer 2 min ago" in nimbus("status").out
