"""Runs Python in forks of a warm interpreter: real processes that do not pay for imports."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.support.fork_server import ForkServer

if TYPE_CHECKING:
    from tests.conftest import Fresh


class ForkedPython:
    """Runs Python programs in a folder, each in a process of its own."""

    def __init__(self, server: ForkServer, work_folder: Path) -> None:
        self._server = server
        self._work_folder = work_folder

    def run(
        self, *arguments: str, environ: dict[str, str], stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run what ``python`` runs with these arguments, and this environment alone."""
        with TemporaryDirectory(prefix="process-") as name:
            folder = Path(name)
            (folder / "work").symlink_to(self._work_folder)
            (folder / "stdin.txt").write_text(stdin or "")
            child = self._server.start(
                "run_python", folder, environ, arguments=arguments, stdin=str(folder / "stdin.txt")
            )
            outcome = child.outcome()
            stdout, stderr = ((folder / f"{each}.txt").read_text("utf-8") for each in ("stdout", "stderr"))
        code = outcome.value if isinstance(outcome.value, int) else -1
        if check and code:
            raise AssertionError(f"exit code {code} {outcome.error or ''}\n{stdout}\n{stderr}")
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    def __call__(
        self, code: str, *, check: bool = True, stdin: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run code in this process's environment, to which keyword arguments are added."""
        return self.run("-c", code, environ={**os.environ, **environ}, stdin=stdin, check=check)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A warm interpreter that forks a process for each program."""
    with ForkServer("tests.support.programs") as server:
        yield server


@pytest.fixture
def forked(isolated_home: Path, request: pytest.FixtureRequest) -> Fresh:
    """Runs code as ``fresh`` does, without the cost of a fresh interpreter if the system can fork.

    For what does not depend on a fresh one: on which modules are loaded, on variables that are read when
    Python starts (``PYTHONPATH``), or on the last moments before it ends.
    """
    if hasattr(os, "fork"):
        return ForkedPython(request.getfixturevalue("fork_server"), isolated_home / "work")
    fresh: Fresh = request.getfixturevalue("fresh")
    return fresh
