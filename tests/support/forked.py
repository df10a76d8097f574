"""Runs Python in forks of a warm interpreter: real processes that do not pay for imports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import forked_command
from tests.support.fork_server import ForkServer, run_fork_server

if TYPE_CHECKING:
    from tests.conftest import Fresh


RUN_PYTHON = "tests.support.programs:run_python"


WARM_MODULES = ("tests.support.programs", "tests.qualification.tasks")
"""What a fork server imports: the programs and tasks that its children run."""

_SERVER = pytest.StashKey[ForkServer]()


class ForkedPython:
    """Runs Python programs in a folder, each in a process of its own."""

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def run(
        self,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        become: Sequence[object] = (),
        stdin: str | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run what ``python`` runs with these arguments.

        Args:
            arguments: As for the command.
            environ: The whole environment.
            become: A function of ``tests.support.other_users`` to call first, by name, and its arguments.
            stdin: The standard input.
            check: Whether another exit code than 0 is an error.
        """
        with TemporaryFile("w+b") as given, TemporaryFile("w+b") as out, TemporaryFile("w+b") as err:
            given.write((stdin or "").encode())
            given.seek(0)
            outcome = self._server.start(
                RUN_PYTHON,
                environ=environ,
                folder=self._folder,
                descriptors=[file.fileno() for file in (given, out, err)],
                arguments=arguments,
                become=become,
            ).outcome()
            out.seek(0)
            err.seek(0)
            stdout, stderr = out.read().decode(), err.read().decode()
        code = outcome.value if isinstance(outcome.value, int) else -1
        if check and code:
            raise AssertionError(f"exit code {code} {outcome.error or ''}\n{stdout}\n{stderr}")
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    def __call__(
        self, code: str, *, check: bool = True, stdin: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run code in this process's environment, to which keyword arguments are added."""
        return self.run(
            ["-W", "error", "-c", code], environ={**os.environ, **environ}, stdin=stdin, check=check
        )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start one fork server for all workers; it imports its modules while they collect the tests."""
    if not hasattr(os, "fork"):
        return
    config: pytest.Config = node.config
    if _SERVER not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        wheel_dir = node.config._tmp_path_factory.getbasetemp() / "wheels"
        config.stash[_SERVER] = stack.enter_context(run_warm_server(wheel_dir))
    node.workerinput["fork_server"] = config.stash[_SERVER].address


def run_warm_server(wheel_dir: Path) -> AbstractContextManager[ForkServer]:
    """Start a fork server for programs and tasks, whose sandboxes find the core's wheel in a folder."""
    return run_fork_server(*WARM_MODULES, WHEELS_OF_TESTS=str(wheel_dir))


@pytest.fixture(scope="session")
def fork_server(request: pytest.FixtureRequest, wheel_dir: Path) -> Iterator[ForkServer]:
    """A warm interpreter that forks a process for each program and each task."""
    shared = getattr(request.config, "workerinput", {}).get("fork_server")
    with nullcontext(ForkServer(shared)) if shared else run_warm_server(wheel_dir) as server:
        yield server


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """A folder with the commands ``python`` and ``nimbus-sdk``, which the fork server runs."""
    folder = tmp_path_factory.mktemp("commands")
    start = f"exec '{sys.executable}' -I -S '{forked_command.__file__}' '{fork_server.address}'"
    for name, arguments in {"python": "", "nimbus-sdk": "-m nimbus_sdk"}.items():
        (folder / name).write_text(f'#!/bin/sh\n{start} {arguments} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def forked_python(isolated_home: Path, fork_server: ForkServer) -> ForkedPython:
    """Runs Python in forks of a warm interpreter, perhaps as another user."""
    return ForkedPython(fork_server, isolated_home / "work")


@pytest.fixture
def forked(request: pytest.FixtureRequest) -> Fresh:
    """Runs code as ``fresh`` does, without the cost of a fresh interpreter if the system can fork.

    For what does not depend on a fresh one: on which modules are loaded, on variables that are read when
    Python starts (``PYTHONPATH``), or on the last moments before it ends.
    """
    run: Fresh = request.getfixturevalue("forked_python" if hasattr(os, "fork") else "fresh")
    return run
