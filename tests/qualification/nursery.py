"""Processes in numbers: a warm interpreter forks a child for every errand, so that none pays for imports.

The children are real processes with memory, environment and output of their own, and can be killed. What
must be shown of a *fresh* interpreter (its modules, its exit) is shown with one, not with these.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from nimbus_sdk.errors import NimbusError

ROOT = Path(__file__).parents[2]
LONGEST_LIFE = 60.0


@dataclass(frozen=True)
class Outcome:
    """What became of an errand.

    Attributes:
        value: What it gave.
        fault: Name of the class of what it raised, or None.
        message: The text of that.
        expected: Whether that is a ``NimbusError``.
        killed: Whether the process died before it could tell.
    """

    value: object = None
    fault: str | None = None
    message: str = ""
    expected: bool = False
    killed: bool = False


class Life:
    """One child, from this side."""

    def __init__(self, wire: socket.socket) -> None:
        wire.settimeout(LONGEST_LIFE)
        self._lines = wire.makefile("rwb")
        wire.close()
        self.pid = int(self._lines.readline())

    def go(self) -> None:
        """Let a child that waits at the gate begin."""
        self._lines.write(b"go\n")
        self._lines.flush()

    def outcome(self) -> Outcome:
        """Wait for the end."""
        with self._lines:
            line = self._lines.readline()
        return Outcome(**json.loads(line)) if line else Outcome(killed=True)


class Nursery:
    """The warm interpreter; use it as a context."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nursery-")
        self._door = os.path.join(self._folder.name, "door")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
        self._server = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.qualification.nursery", self._door],
            cwd=ROOT,
            env={**environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdout is not None
        if self._server.stdout.readline() != b"ready\n":
            raise RuntimeError("the nursery did not start")

    def start(self, errand: str, world: Path, environ: Mapping[str, str], **arguments: object) -> Life:
        """Fork a child that runs an errand of :mod:`tests.qualification.errands`; see :meth:`World.start`."""
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(self._door)
        order = {"errand": errand, "world": str(world), "environ": dict(environ), "arguments": arguments}
        wire.sendall(json.dumps(order).encode() + b"\n")
        return Life(wire)

    def close(self) -> None:
        """End it."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _serve(door: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(door)
        listener.listen(128)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            wire, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _live(wire)
            wire.close()


def _live(wire: socket.socket) -> NoReturn:
    from tests.qualification import errands

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    lines = wire.makefile("rwb")
    order = json.loads(lines.readline())
    _move_in(Path(order["world"]), order["environ"])
    lines.write(b"%d\n" % os.getpid())
    lines.flush()
    if order["arguments"].pop("gate", False):
        lines.readline()
    try:
        outcome = Outcome(getattr(errands, order["errand"])(**order["arguments"]))
    except BaseException as error:
        expected = isinstance(error, NimbusError)
        if not expected:
            sys.excepthook(type(error), error, error.__traceback__)
        outcome = Outcome(None, type(error).__name__, str(error), expected)
    lines.write(json.dumps(outcome.__dict__).encode() + b"\n")
    lines.close()
    wire.close()
    os._exit(0)


def _move_in(world: Path, environ: Mapping[str, str]) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(world / f"{name}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(world / "work")


if __name__ == "__main__":
    import tests.qualification.errands  # noqa: F401  what the children are born with

    _serve(sys.argv[1])
