"""Programs of the documentation run in processes of their own, on a sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def with_key(sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox, and a key of it in the environment, as somebody with an account has one."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    return sandbox


@pytest.fixture
def program(own_world: Path) -> Program:
    """Runs Python with arguments in a fresh process that can reach this machine alone."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    # What the outer pytest was told, such as how much must be covered, is not for a pytest within a test.
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            env={**environ, **nowhere, "PATH": path, "COLUMNS": "110"},
            cwd=own_world / "work",
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    return run
