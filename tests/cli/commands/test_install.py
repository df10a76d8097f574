"""`nimbus-sdk install`: where the key comes from, what is printed, and what it costs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import CTRL_C, AtTerminal, Nimbus
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def test_a_piped_key_installs_and_is_not_shown(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """`--key-stdin` takes the first line of stdin, white space and all, and no output repeats it."""
    done = nimbus("install", "--key-stdin", stdin=f"  {key}\r\nuser: ada\n")
    assert done.code == 0
    assert key not in done.out + done.err
    assert f"{key[:14]}…{key[-4:]}" in done.out
    assert "research" in done.out
    assert [exchange.endpoint for exchange in sandbox.journal()] == [
        "validate",
        "github_token",
        "release",
        "asset",
        "storage",
    ]


def test_the_document_holds_session_and_core(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """With --json the output is one object with the session's fields and the core's path."""
    found = nimbus("install", "--key-stdin", "--json", stdin=key).document
    assert found.keys() == {"session", "core"}
    assert found["session"]["license_type"] == "research"
    assert found["session"]["key_source"] == "file"
    assert found["session"]["stale"] is False
    assert found["core"]["version"] == "0.1.0"
    assert Path(found["core"]["path"]).is_dir()


def test_a_second_time_asks_for_nothing(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """With the core whole and the session fresh, no request is made; --force makes all four again."""
    nimbus("install", "--key-stdin", stdin=key)
    sandbox.clear_journal()
    assert nimbus("install").code == 0
    assert sandbox.journal() == []
    assert nimbus("install", "--force").code == 0
    assert len(sandbox.journal()) == 5


@pytest.mark.parametrize("source", ["environment", "key_file", "dotenv"])
def test_the_key_may_come_from_elsewhere(
    nimbus: Nimbus, sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch, source: str, tmp_path: Path
) -> None:
    """Environment, mounted file and .env give the key with no option at all."""
    if source == "environment":
        monkeypatch.setenv("NIMBUS_API_KEY", key)
    elif source == "key_file":
        (tmp_path / "secret").write_text(f"{key}\n")
        monkeypatch.setenv("NIMBUS_SDK_API_KEY_FILE", str(tmp_path / "secret"))
    else:
        Path(".env").write_text(f"NIMBUS_API_KEY={key}\n")
    found = nimbus("install", "--json").document
    assert found["session"]["key_source"] == source


def test_a_version_and_a_profile_are_taken_over(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """--version and --profile reach the installation."""
    sandbox.publish("0.3.0")
    arguments = ("--version", "0.1.0", "--profile", "lab", "--timeout", "20", "--no-progress", "--json")
    found = nimbus("install", "--key-stdin", *arguments, stdin=key).document
    assert found["core"]["version"] == "0.1.0"
    assert found["session"]["profile"] == "lab"


def test_a_text_that_is_no_key_asks_nobody(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """A slip is found here: exit code 4, no request, and the text is not repeated."""
    done = nimbus("install", "--key-stdin", "--json", stdin="nbci_live_0123456789")
    assert done.code == 4
    assert done.error["error"] == "InvalidKeyFormatError"
    assert "0123456789" not in done.err
    assert sandbox.journal() == []


def test_a_refused_key_ends_with_4(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """A key that the service does not know is reported with the service's code."""
    done = nimbus("install", "--key-stdin", "--json", stdin="nbci_test_" + "0" * 48)
    assert (done.code, done.error["code"]) == (4, "INVALID_KEY")
    assert done.error["request_id"]


def test_without_a_key_and_a_person_it_says_what_to_do(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Without a terminal a missing key is an error that names the sources."""
    done = nimbus("install")
    assert done.code == 4
    assert "nimbus-sdk explain" in done.err


def test_offline_asks_for_nothing(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """--offline on an empty machine fails without one request."""
    done = nimbus("install", "--offline", "--key-stdin", "--json", stdin=key)
    assert done.code != 0
    assert done.error["hint"]
    assert sandbox.journal() == []


def test_the_prompt_shows_nothing_of_what_is_typed(terminal: AtTerminal, sandbox: Sandbox, key: str) -> None:
    """In a terminal the key is asked for, hidden, and the installation shows its progress there."""
    screen = terminal("install", NIMBUS_SDK_NO_PROGRESS="0")
    screen.wait_for("API key")
    screen.type(f"{key}\n")
    assert screen.ended() == 0
    assert key not in screen.seen
    assert key[20:40] not in screen.seen
    assert "Validating" in screen.seen
    assert "research" in screen.seen


def test_a_prompt_can_be_left_with_ctrl_c(terminal: AtTerminal, sandbox: Sandbox) -> None:
    """Ctrl-C at the prompt ends with 130, no traceback, and nothing asked."""
    screen = terminal("install")
    screen.wait_for("API key")
    screen.type(CTRL_C)
    assert screen.ended() == 130
    assert "Traceback" not in screen.seen
    assert "Interrupted." in screen.seen
    assert sandbox.journal() == []


def test_an_installation_can_be_left_with_ctrl_c(terminal: AtTerminal, sandbox: Sandbox, key: str) -> None:
    """Ctrl-C while the service is being waited for ends at once with 130, and nothing is stored."""
    sandbox.fault("validate", delay=15)
    screen = terminal("install", NIMBUS_SDK_NO_PROGRESS="0", NIMBUS_API_KEY=key)
    screen.wait_for("Validating")
    screen.type(CTRL_C)
    assert screen.ended() == 130
    assert "Traceback" not in screen.seen
    assert not list(Path(os.environ["NIMBUS_SDK_HOME"]).rglob("session*.json"))


def test_a_terminal_is_no_pipe(terminal: AtTerminal, sandbox: Sandbox) -> None:
    """`--key-stdin` at a terminal would show the key while it is typed, so it is refused."""
    screen = terminal("install", "--key-stdin")
    assert screen.ended() == 2
    assert "hidden" in screen.seen
