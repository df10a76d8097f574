"""`logout` and `revoke`: what goes, what stays, and that nothing goes by accident."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from nimbus_sdk.account.authentication import authenticate
from nimbus_sdk.account.stored_keys import get_stored_api_key
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.install import install_core
from nimbus_sdk.core.model_download import download_model
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.services.base.service import ServiceKey
from nimbus_sdk.storage.credentials import save_key
from nimbus_sdk.storage.file_backend import FileStore
from tests.cli.conftest import CTRL_C, AtTerminal, Nimbus
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def _paths() -> Paths:
    return Settings.load().paths


def test_logout_forgets_key_and_session_and_leaves_the_core(
    nimbus: Nimbus, sandbox: Sandbox, key: str
) -> None:
    """Key and session go, and the service is not asked: the key stays valid. The core goes on request."""
    install_core(key)
    sandbox.clear_journal()
    assert nimbus("logout", "--json").document == {
        "key_removed": True,
        "session_removed": True,
        "entries_removed": [],
        "core_removed": [],
        "models_removed": [],
        "key_left": None,
    }
    assert get_stored_api_key() is None
    assert not Path(_paths().session).exists()
    assert Path(_paths().core_pointer).exists()
    assert sandbox.journal() == []
    authenticate(key)
    download_model("p300_binary_v1")
    done = nimbus("logout", "--everything")
    assert done.code == 0
    assert "0.1.0" in done.out
    assert "p300_binary_v1" in done.out
    left = {path.name for path in Path(os.environ["NIMBUS_SDK_HOME"]).rglob("*") if path.is_file()}
    assert left <= {"seal.key", "nimbus-sdk.lock", "credentials.json.lock"}


@pytest.fixture
def crowded(sandbox: Sandbox, key: str, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A home with keys of two profiles and two services, one of a .env, and a damaged file; their texts."""
    install_core(key)
    texts = {key, sandbox.new_key("research"), "nxs_abc123xyz789def456uvw", "sk_live_abc123xyz789def456"}
    (lab,) = [text for text in texts if text.startswith("nbci") and text != key]
    authenticate(lab, profile="lab")
    services = {"nexus": "nxs_abc123xyz789def456uvw", "neuroai": "sk_live_abc123xyz789def456"}
    for entry, text in services.items():
        service_key = ServiceKey(text)
        save_key(Settings.load(profile="lab").for_service(entry), service_key, "https://a.example:443")
    theirs = sandbox.new_key("research")
    (isolated_home / "work" / ".env").write_text(f"NIMBUS_API_KEY={theirs}\n")
    authenticate()
    (isolated_home / "work" / ".env").unlink()
    Path(f"{_paths().credentials}.damaged-x").write_text(key)
    Path(_paths().core, "0.1.0", "killed.removed").mkdir()
    return texts | {theirs}


def _left(text: str) -> list[str]:
    files = [path for path in Path(os.environ["NIMBUS_SDK_HOME"]).rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_everything_means_everything_and_is_listed_first(nimbus: Nimbus, crowded: set[str]) -> None:
    """Every profile and service is named, and neither key, session, core nor model stays."""
    names = ["default", "lab", "lab@neuroai", "lab@nexus"]
    done = nimbus("logout", "--everything")
    assert done.code == 0
    for name in (*names, "core 0.1.0"):
        assert name in done.err
    assert [_left(text) for text in crowded] == [[]] * len(crowded)
    left = {path.name for path in Path(os.environ["NIMBUS_SDK_HOME"]).rglob("*") if path.is_file()}
    assert left <= {"seal.key", "nimbus-sdk.lock", "credentials.json.lock"}
    assert not any(crowd in done.out + done.err for crowd in crowded)


def test_everything_is_removed_after_a_confirmation(terminal: AtTerminal, crowded: set[str]) -> None:
    """In a terminal the list comes before the question, and no removes nothing."""
    screen = terminal("logout", "--everything")
    screen.wait_for("Remove all of it?")
    assert "lab@nexus" in screen.seen
    screen.type("n\r")
    screen.wait_for("Nothing was removed.")
    assert all(_left(text) for text in crowded if text.startswith(("nxs", "sk_")))


def test_a_store_that_refuses_one_key_keeps_no_other(
    nimbus: Nimbus, crowded: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All other keys go, the error names the one that stays, and the next attempt finds it."""
    real = FileStore.delete

    def refuse(store: FileStore[ServiceKey], profile: str) -> bool:
        if profile == "lab":
            raise CredentialStoreError("The keyring stayed locked.")
        return real(store, profile)

    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "delete", refuse)
        done = nimbus("logout", "--everything", "--json")
    assert done.code == CredentialStoreError.exit_code
    assert "lab: The keyring stayed locked." in done.error["message"]
    assert get_stored_api_key() is None
    assert nimbus("logout", "--everything", "--json").document["entries_removed"] == ["lab"]


def test_logout_twice_is_no_failure(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """If there is nothing to remove, the output says so."""
    done = nimbus("logout", "--everything")
    assert done.code == 0
    assert done.out.count("there was none") == 2


def test_profiles_that_cannot_be_listed_are_not_passed_over(nimbus: Nimbus, signed_in: str) -> None:
    """The error names the folder, and nothing is removed."""
    profiles = Path(_paths().profiles)
    profiles.rename(profiles.with_name("elsewhere"))
    profiles.touch()
    done = nimbus("logout", "--everything", "--json")
    assert done.code == 10
    assert f"The profiles in {profiles} cannot be listed" in done.error["message"]
    assert get_stored_api_key() == signed_in


@pytest.mark.parametrize("arguments", [[], ["--everything", "--yes"]])
def test_the_key_goes_though_a_session_cannot_be_removed(
    arguments: list[str], nimbus: Nimbus, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names a key that is left, else the folder; key and own session are gone by then."""
    folder, real = _paths().dotenv_sessions, os.listdir

    def refuse(path: str = ".") -> list[str]:
        if path == folder:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    def refuse_key(store: FileStore[ServiceKey], profile: str) -> bool:
        raise CredentialStoreError("The keyring stayed locked.")

    monkeypatch.setattr(os, "listdir", refuse)
    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "delete", refuse_key)
        done = nimbus("logout", *arguments, "--json")
        assert done.code == CredentialStoreError.exit_code
        assert "The keyring stayed locked." in done.error["message"]
        assert get_stored_api_key() == signed_in
    done = nimbus("logout", *arguments, "--json")
    assert done.code == 10
    assert folder in done.error["message"]
    assert get_stored_api_key() is None
    assert not Path(_paths().session).exists()


def test_logout_says_which_key_is_left(
    nimbus: Nimbus, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable cannot be deleted from here, so it is named: the next call would use it."""
    monkeypatch.setenv("NIMBUS_API_KEY", signed_in)
    done = nimbus("logout")
    masked = f"{signed_in[:14]}…{signed_in[-4:]}"
    assert f"NIMBUS_API_KEY in the environment still has the key {masked}." in done.out
    assert signed_in not in done.out
    left = nimbus("logout", "--json").document["key_left"]
    assert (left["source"], left["key_masked"]) == ("environment", masked)


def test_revoke_with_yes_ends_the_key(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """--yes skips the confirmation; the service gets the reason, and everything stored is removed."""
    done = nimbus("revoke", "--yes", "--reason", "laptop lost", "--json")
    assert done.code == 0
    assert done.document["revoked"] is True
    assert done.document["key_masked"] == f"{signed_in[:14]}…{signed_in[-4:]}"
    assert signed_in not in done.out + done.err
    assert [entry["reason"] for entry in sandbox.audit()] == ["laptop lost"]
    assert get_stored_api_key() is None
    assert not Path(_paths().session).exists()


def test_revoke_shows_what_the_service_said(nimbus: Nimbus, signed_in: str) -> None:
    """Without --json the answer is text."""
    done = nimbus("revoke", "--yes")
    assert "revoked" in done.out
    assert "yes" in done.out


def test_revoke_does_nothing_where_nobody_can_confirm(
    nimbus: Nimbus, sandbox: Sandbox, signed_in: str
) -> None:
    """A script must say --yes: without a terminal and without it, nothing is asked of the service."""
    done = nimbus("revoke", "--json")
    assert done.code == 2
    assert "--yes" in done.error["hint"]
    assert f"{signed_in[:14]}…{signed_in[-4:]}" in done.error["message"]
    assert sandbox.journal() == []


def test_revoke_of_an_unknown_key_ends_with_4(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that the service does not know cannot be revoked."""
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_test_" + "0" * 48)
    done = nimbus("revoke", "--yes", "--json")
    assert (done.code, done.error["code"]) == (4, "KEY_NOT_FOUND")


def test_revoke_asks_with_the_masked_key(terminal: AtTerminal, sandbox: Sandbox, signed_in: str) -> None:
    """In a terminal the question shows which key and from where; yes ends it."""
    screen = terminal("revoke")
    screen.wait_for("permanently?")
    assert f"{signed_in[:14]}…{signed_in[-4:]}" in screen.seen
    assert "credentials.json" in screen.seen
    assert sandbox.journal() == []
    screen.type("y\n")
    assert screen.ended() == 0
    assert [exchange.endpoint for exchange in sandbox.journal()] == ["revoke"]
    assert signed_in not in screen.seen


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), (CTRL_C, 130)])
def test_anything_but_yes_leaves_the_key_alone(
    terminal: AtTerminal, sandbox: Sandbox, signed_in: str, answer: str, code: int
) -> None:
    """No, nothing at all, and Ctrl-C revoke nothing, and the exit code says so."""
    screen = terminal("revoke")
    screen.wait_for("permanently?")
    screen.type(answer)
    assert screen.ended() == code
    assert sandbox.journal() == []
    assert get_stored_api_key() == signed_in


def test_a_service_that_does_not_revoke_is_not_believed(
    nimbus: Nimbus, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that says `revoked: false` ends with 1, and is shown as it came."""
    from nimbus_sdk.account.revocation import RevocationResult

    monkeypatch.setattr(
        "nimbus_sdk.revoke_api_key",
        lambda *_, **__: RevocationResult(revoked=False, message="not today", key_masked="nbci_test_…"),
    )
    done = nimbus("revoke", "--yes", "--json")
    assert done.code == 1
    assert json.loads(done.out)["message"] == "not today"
