"""Programs of the documentation run in processes of their own, on a sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.support.fork_server import ForkServer

Program = Callable[..., "subprocess.CompletedProcess[str]"]
_numbers = count()


@pytest.fixture
def with_key(sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox, and a key of it in the environment, as for a user with an account."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    return sandbox


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A warm interpreter that forks a process for each program."""
    with ForkServer("tests.support.programs") as server:
        yield server


@pytest.fixture
def program(isolated_home: Path, fork_server: ForkServer) -> Program:
    """Runs Python with arguments in a process of its own that can reach this machine alone."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    # Options of the outer pytest, such as how much must be covered, are not for a pytest within a test.
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        folder = isolated_home / f"program-{next(_numbers)}"
        folder.mkdir()
        (folder / "work").symlink_to(isolated_home / "work")
        child = fork_server.start(
            "run_python",
            folder,
            {**environ, **nowhere, "PATH": path, "COLUMNS": "110"},
            arguments=[str(argument) for argument in arguments],
        )
        outcome = child.outcome()
        stdout, stderr = ((folder / f"{name}.txt").read_text("utf-8") for name in ("stdout", "stderr"))
        code = -1 if outcome.killed else outcome.value
        if code != 0:
            raise AssertionError(f"exit code {code} {outcome.error or ''}\n{stdout}\n{stderr}")
        return subprocess.CompletedProcess(list(arguments), 0, stdout, stderr)

    return run
