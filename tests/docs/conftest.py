"""Programs of the documentation run in processes of their own, on a sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.support.forked import ForkedPython

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def with_key(sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox, and a key of it in the environment, as for a user with an account."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    return sandbox


@pytest.fixture
def program(forked_python: ForkedPython, commands: Path) -> Program:
    """Runs Python with arguments in a process of its own that can reach this machine alone."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    # Options of the outer pytest, such as how much must be covered, are not for a pytest within a test.
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return forked_python.run(
            [str(argument) for argument in arguments],
            environ={**environ, **nowhere, "PATH": path, "COLUMNS": "110"},
        )

    return run
