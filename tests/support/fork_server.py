"""A warm interpreter that forks a child process for each task, so that no task pays for imports.

The children are real processes with memory, environment and output of their own, and can be killed. What
must be shown of a *fresh* interpreter (its modules, its exit) is shown with one, not with these.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from nimbus_sdk.errors import NimbusError

ROOT = Path(__file__).parents[2]
RESULT_TIMEOUT_SECONDS = 100.0
"""After that a child is killed."""


@dataclass(frozen=True)
class Outcome:
    """The result of a task.

    Attributes:
        value: What it returned.
        error: Name of the class of what it raised, or None.
        message: The text of that.
        expected: Whether that is a ``NimbusError``.
        killed: Whether the process died before it could answer.
    """

    value: object = None
    error: str | None = None
    message: str = ""
    expected: bool = False
    killed: bool = False


class ChildProcess:
    """A forked child, as seen by the test."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(RESULT_TIMEOUT_SECONDS)
        self._lines = connection.makefile("rwb")
        connection.close()
        self.pid = int(self._lines.readline())

    def begin(self) -> None:
        """Let a child that was started with ``wait_for_start`` begin its task."""
        self._lines.write(b"begin\n")
        self._lines.flush()

    def outcome(self) -> Outcome:
        """Wait for the end of the task."""
        with self._lines:
            try:
                line = self._lines.readline()
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)
                raise
        return Outcome(**json.loads(line)) if line else Outcome(killed=True)


@dataclass(frozen=True)
class ForkServer:
    """The warm interpreter, which ``run_fork_server`` starts.

    Attributes:
        address: Path of its socket.
    """

    address: str

    def start(
        self,
        task: str,
        *,
        environ: Mapping[str, str],
        folder: Path,
        descriptors: Sequence[int],
        **arguments: object,
    ) -> ChildProcess:
        """Fork a child that runs a task.

        Args:
            task: Module and name of the function, as in ``package.module:function``.
            environ: Its whole environment.
            folder: Its working directory.
            descriptors: Of files for its standard input, output and error.
            arguments: Of the function. With ``wait_for_start`` it waits for ``ChildProcess.begin``.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.address)
        request = {"task": task, "environ": dict(environ), "folder": str(folder), "arguments": arguments}
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], descriptors)
        return ChildProcess(connection)


@contextmanager
def run_fork_server(*modules: str, **environ: str) -> Iterator[ForkServer]:
    """Start a fork server, and stop it at the end. Its children wait until it has imported everything.

    Args:
        *modules: Modules whose functions are the tasks. They are imported once, with all that they import.
        **environ: Variables of the warm interpreter, in addition to those of this process.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
    with tempfile.TemporaryDirectory(prefix="fork-server-") as folder:
        address = os.path.join(folder, "socket")
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.support.fork_server", address, *modules],
            cwd=ROOT,
            env={
                **inherited,
                **environ,
                "PYTHONPATH": str(ROOT),
                "OPENBLAS_NUM_THREADS": "1",
                "COLUMNS": "200",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdout as lines:
            if lines.readline() != b"ready\n":
                raise RuntimeError("the fork server did not start")
            try:
                yield ForkServer(address)
            finally:
                process.stdin.close()
                process.wait(RESULT_TIMEOUT_SECONDS)


def _serve(socket_path: str, modules: Sequence[str]) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(socket_path)
        listener.listen(128)
        print("ready", flush=True)
        for module in modules:
            importlib.import_module(module)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _run_child(connection)
            connection.close()


def _run_child(connection: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, descriptors, _, _ = socket.recv_fds(connection, 65536, 3)
    lines = connection.makefile("rwb")
    request = json.loads(head if head.endswith(b"\n") else head + lines.readline())
    _enter(request["folder"], request["environ"], descriptors)
    pid = os.getpid()
    lines.write(b"%d\n" % pid)
    lines.flush()
    if request["arguments"].pop("wait_for_start", False):
        lines.readline()
    try:
        module, _, name = request["task"].partition(":")
        outcome = Outcome(getattr(sys.modules[module], name)(**request["arguments"]))
    except BaseException as error:
        expected = isinstance(error, NimbusError)
        if not expected:
            sys.excepthook(type(error), error, error.__traceback__)
        outcome = Outcome(None, type(error).__name__, str(error), expected)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.getpid() != pid:
        # A process that the task has forked: its parent expects an exit code.
        os._exit(outcome.value if isinstance(outcome.value, int) else 1)
    lines.write(json.dumps(outcome.__dict__).encode() + b"\n")
    lines.close()
    connection.close()
    os._exit(0)


def _enter(folder: str, environ: Mapping[str, str], descriptors: Sequence[int]) -> None:
    """Give this process its working directory, environment, and standard input, output and error."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])
