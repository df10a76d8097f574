"""Fixtures that run the command line: in this process, in a fresh one, and at a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from nimbus_sdk.account.authentication import authenticate
from nimbus_sdk.cli import main
from nimbus_sdk.sandbox import Sandbox
from tests.support.fork_server import ForkServer
from tests.support.forked import ForkedPython

if TYPE_CHECKING:
    from tests.support.terminal import Terminal

CTRL_C = "\x03"


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The output, which is one JSON object and nothing else."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The error stream, which is one JSON object; the output is empty."""
        assert self.out == ""
        found = json.loads(self.err)
        assert isinstance(found, dict)
        return found


Nimbus: TypeAlias = Callable[..., Done]
AtTerminal: TypeAlias = "Callable[..., Terminal]"


@pytest.fixture
def nimbus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Nimbus:
    """Runs a command in this process, with the handling of errors."""

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)

    return run


@pytest.fixture
def nimbus_fresh(isolated_home: Path) -> Nimbus:
    """Runs a command in a fresh interpreter, its output going into pipes."""

    def run(*arguments: str, stdin: str = "", **environ: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "nimbus_sdk", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, **environ},
            cwd=isolated_home / "work",
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def nimbus_process(request: pytest.FixtureRequest) -> Nimbus:
    """Runs a command in a process of its own, which need not be a fresh interpreter."""
    if not hasattr(os, "fork"):
        fresh: Nimbus = request.getfixturevalue("nimbus_fresh")
        return fresh
    python: ForkedPython = request.getfixturevalue("forked_python")

    def run(*arguments: str, stdin: str = "", **environ: str) -> Done:
        command = ["-W", "error", "-m", "nimbus_sdk", *arguments]
        done = python.run(command, environ={**os.environ, **environ}, stdin=stdin, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def terminal(fork_server: ForkServer) -> Iterator[AtTerminal]:
    """Runs commands at a terminal of their own; what still runs at the end is ended."""
    pytest.importorskip("pty")
    from tests.support.terminal import Terminal

    opened: list[Terminal] = []

    def at_terminal(*arguments: str, **environ: str) -> Terminal:
        opened.append(Terminal(fork_server, ["-m", "nimbus_sdk", *arguments], environ))
        return opened[-1]

    yield at_terminal
    for one in opened:
        one.close()


@pytest.fixture
def signed_in(sandbox: Sandbox, key: str) -> str:
    """A machine with a stored key and its session; returns the key."""
    authenticate(key)
    sandbox.clear_journal()
    return key


@pytest.fixture
def running(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox whose control token is in the environment."""
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", sandbox.control_token)
    return sandbox
