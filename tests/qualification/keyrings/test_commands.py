"""What the commands print and return where a real keyring cannot be asked."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from nimbus_sdk.cli import main
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.storage.key_metadata import read_metadata
from tests.qualification.keyrings.daemon import Daemon
from tests.support.flows import TINY_CORE

pytestmark = [*TINY_CORE, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    code: object
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process; no setting names a store."""
    monkeypatch.delenv("NIMBUS_SDK_CREDENTIAL_STORE")

    def command(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        return Done(ended.value.code, out, err)

    return command


def masked(text: str) -> str:
    """The form of a key that is displayed."""
    return ApiKey.parse(text).masked


def test_logout_names_what_stays_in_the_keyring_and_finishes_later(
    daemon: Daemon, run: Run, sandbox: Sandbox, key: str
) -> None:
    """A key in a locked keyring is listed, reported with the exit code of the store, and removed later."""
    other = sandbox.new_key("research")
    assert "keyring" in run("install", "--key-stdin", stdin=key).out
    daemon.lock()
    installed = run("install", "--key-stdin", stdin=other)
    assert "file, because the keyring stayed locked" in installed.out
    assert f"{masked(key)} in the keyring, which stayed locked" in installed.out
    left = run("logout", "--everything")
    assert left.code == CredentialStoreError.exit_code
    assert f"default: key {masked(other)} (file), still to be removed: {masked(key)}" in left.err
    assert f"{masked(key)} may still be in the keyring, which stayed locked." in left.err
    assert masked(key) in run("status").out
    again = run("logout", "--json")
    assert again.code == CredentialStoreError.exit_code
    assert json.loads(again.err)["error"] == "CredentialStoreError"
    daemon.unlock()
    assert len(daemon.secrets()) == 1
    assert run("logout", "--everything").code == 0
    assert daemon.secrets() == {}
    assert run("logout").code == 0


def test_revoke_says_what_it_could_not_remove(daemon: Daemon, run: Run, sandbox: Sandbox, key: str) -> None:
    """The key is revoked, the exit code is that of the store, and the copy goes later."""
    run("install", "--key-stdin", stdin=key)
    daemon.lock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NIMBUS_API_KEY", key)
        revoked = run("revoke", "--yes", "--json")
    assert revoked.code == CredentialStoreError.exit_code
    found = json.loads(revoked.out)
    assert found["revoked"] is True
    assert "which stayed locked" in found["not_removed"][0]
    daemon.unlock()
    run("explain")
    assert daemon.secrets() == {}


def test_the_doctor_offers_to_ask_the_keyring_again(
    daemon: Daemon, run: Run, sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal it asks; an option does without. The key in the file moves to the keyring."""
    daemon.lock()
    run("install", "--key-stdin", stdin=key)
    assert "keyring" in run("doctor").out
    daemon.unlock()
    daemon.freeze()
    run("doctor")
    daemon.thaw()
    monkeypatch.setattr("nimbus_sdk.display.terminal.is_interactive", lambda: True)
    daemon.lock()
    locked = run("doctor", stdin="n\n")
    assert "Ask the keyring again now?" in locked.err
    daemon.unlock()
    assert run("doctor", "--retry-keyring").code == 0
    metadata = read_metadata(Settings.load().paths)
    assert metadata is not None
    assert metadata.store == "keyring"
    assert len(daemon.secrets()) == 1
