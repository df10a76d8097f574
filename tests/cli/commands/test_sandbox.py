"""`nimbus-sdk sandbox serve`, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nimbus_sdk.api.client import NimbusClient
from nimbus_sdk.cli.ui import sandbox_control
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import AtTerminal, Nimbus

FRESH = (sys.executable, "-W", "error", "-m", "nimbus_sdk")


@contextmanager
def _served(folder: Path, *arguments: str, command: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*command, "sandbox", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_it_serves_until_ctrl_c_and_leaves_nothing(tmp_path: Path) -> None:
    """One line of JSON when it serves, all that a program needs in it, and a clean end."""
    with _served(tmp_path, "--tier", "commercial", "--json", command=FRESH) as process:
        facts: dict[str, Any] = json.loads(_line(process))
        assert facts.keys() == {
            "api_url",
            "github_url",
            "storage_url",
            "page_url",
            "pid",
            "tier",
            "key",
            "control_token",
            "environment",
        }
        assert (facts["pid"], facts["tier"]) == (process.pid, "commercial")
        with NimbusClient(facts["key"], base_url=facts["api_url"]) as client:
            assert client.validate().license_type == "commercial"
        assert Path(facts["environment"]["NIMBUS_SDK_HOME"]).is_dir()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_the_running_sandbox_is_found(tmp_path: Path, commands: Path, nimbus: Nimbus) -> None:
    """While one serves, `env` and `keys` find it without any option; a closed terminal ends it."""
    with _served(tmp_path, "--json", command=[commands / "nimbus-sdk"]) as process:
        facts = json.loads(_line(process))
        assert nimbus("sandbox", "env", "--json").document["environment"] == facts["environment"]
        created = nimbus("sandbox", "keys", "create", "--tier", "free", "--json").document["key"]
        with NimbusClient(created, base_url=facts["api_url"]) as client:
            assert client.validate().license_type == "free"
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []
    done = nimbus("sandbox", "env")
    assert done.code == 2
    assert "nimbus-sdk sandbox serve" in done.err


def test_a_shell_that_points_to_a_sandbox_finds_its_keys(
    nimbus: Nimbus, sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the lines of `sandbox serve` in the shell, `env` and `keys` need no option and no record."""
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", sandbox.control_token)
    (found,) = nimbus("sandbox", "keys", "list", "--json").document["keys"]
    assert found["license_type"] == "research"
    environment = nimbus("sandbox", "env", "--json").document["environment"]
    assert environment["NIMBUS_SDK_API_URL"] == sandbox.api_url
    assert environment["NIMBUS_SDK_SANDBOX_TOKEN"] == sandbox.control_token


def test_of_several_sandboxes_the_shells_own_or_the_newest_is_used(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says which one; when one of them ends the other is found, and the lines are in order."""

    def variables(of: Sandbox) -> dict[str, str]:
        return {"NIMBUS_SDK_SANDBOX_TOKEN": of.control_token, "NIMBUS_SDK_API_URL": of.api_url}

    with sandbox_control.recording() as record_first, Sandbox() as newer:
        record_first(sandbox.api_url, variables(sandbox))
        with sandbox_control.recording() as record_second:
            record_second(newer.api_url, variables(newer))
            newest = nimbus("sandbox", "env")
            assert f"{newer.api_url}, which was started last" in newest.err
            assert newest.out.splitlines() == sorted(newest.out.splitlines())
            assert newer.control_token in newest.out
            for name, value in variables(sandbox).items():
                monkeypatch.setenv(name, value)
            own = nimbus("sandbox", "env")
            assert f"{sandbox.api_url}, which this shell points to" in own.err
            assert own.out.splitlines() == sorted(own.out.splitlines())
            assert sandbox.control_token in own.out
            monkeypatch.delenv("NIMBUS_SDK_SANDBOX_TOKEN")
        left = nimbus("sandbox", "env", "--json")
        assert (left.document["environment"], left.err) == (variables(sandbox), "")


def test_a_closed_terminal_ends_the_command_and_its_sandbox(terminal: AtTerminal, tmp_path: Path) -> None:
    """The command gets the signal, and nothing is left in the folder for temporary files."""
    screen = terminal("sandbox", "run", "--", "sh", "-c", "echo started; sleep 60", TMPDIR=str(tmp_path))
    screen.wait_for("started")
    screen.hang_up()
    assert list(tmp_path.iterdir()) == []


def test_a_command_runs_on_a_sandbox_of_its_own(nimbus: Nimbus, tmp_path: Path) -> None:
    """The command has a key and a home, its exit code is that of `run`, and its options are its own."""
    code = f"import os, sys; open({str(tmp_path / 'seen')!r}, 'w').write(repr(dict(os.environ))); sys.exit(7)"
    done = nimbus("sandbox", "run", "--tier", "free", "--", sys.executable, "-c", code)
    assert done.code == 7
    seen = eval((tmp_path / "seen").read_text())
    assert seen["NIMBUS_API_KEY"].startswith("nbci_test_")
    assert not Path(seen["NIMBUS_SDK_HOME"]).exists()
    missing = nimbus("sandbox", "run", "--", "no-such-command")
    assert (missing.code, "no-such-command" in missing.err) == (2, True)


def test_the_lines_for_a_shell_lead_to_it(tmp_path: Path, commands: Path) -> None:
    """What it prints can be evaluated by a shell, and leads the SDK to the sandbox and a home of its own."""
    with _served(tmp_path, command=[commands / "nimbus-sdk"]) as process:
        lines = [_line(process) for _ in range(11)]
        assert sum(line.startswith("export ") for line in lines) == 7
        script = "".join(lines) + f'"{commands}/nimbus-sdk" install --json\n'
        done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["session"]["key_source"] == "environment"
        assert found["core"]["path"].startswith(str(tmp_path))
        process.terminate()
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_reported(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """It ends with 2 instead of a traceback."""
    done = nimbus("sandbox", "serve", "--port", sandbox.api_url.rpartition(":")[2], "--json")
    assert done.code == 2
    assert done.error["error"] == "ConfigurationError"


def test_an_unknown_tier_is_reported(nimbus: Nimbus) -> None:
    """The message lists those that there are."""
    done = nimbus("sandbox", "serve", "--tier", "gold")
    assert done.code == 2
    assert "research" in done.err
