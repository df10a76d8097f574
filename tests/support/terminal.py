"""A command at a real terminal, as a person sees and types it."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.fork_server import ForkServer
from tests.support.forked import RUN_PYTHON

SECONDS = 20.0


class Terminal:
    """Starts Python in a process whose controlling terminal is ours to read and type at.

    Args:
        server: Forks the process.
        arguments: As for ``python``.
        environ: In addition to this process's environment.
    """

    def __init__(self, server: ForkServer, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self.seen = ""
        self._ours, theirs = pty.openpty()
        self._process = server.start(
            RUN_PYTHON,
            environ={**os.environ, "TERM": "xterm-256color", **environ},
            folder=Path.cwd(),
            descriptors=[theirs] * 3,
            arguments=arguments,
            become=["become_session_leader"],
        )
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        """Read until a text is seen."""
        deadline = time.monotonic() + SECONDS
        while text not in self.seen:
            assert self._read(deadline), f"{text!r} was not seen in {self.seen!r}"

    def type(self, text: str) -> None:
        """Type at the keyboard, once the command waits for it, as a person would.

        A Ctrl-C in the moment between the question and the waiting is noted by Python, and acted upon at the
        next key only.
        """
        deadline = time.monotonic() + SECONDS
        while not self._waits() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.write(self._ours, text.encode())

    def ended(self) -> int:
        """Read to the end and give the exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return int(str(self._process.outcome().value))

    def hang_up(self) -> None:
        """Close the terminal, as a window is closed, and wait for the end of the command."""
        os.close(self._ours)
        self._ours = -1
        self._process.outcome()

    def close(self) -> None:
        """End what still runs."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def _waits(self) -> bool:
        """Whether the command sleeps, seen twice, since it may also sleep for a moment in between."""

        def sleeps() -> bool:
            try:
                status = Path(f"/proc/{self._process.pid}/stat").read_text()
            except FileNotFoundError:
                return True
            return status.rpartition(")")[2].split()[0] == "S"

        if not sleeps():
            return False
        time.sleep(0.02)
        return sleeps()

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            content = os.read(self._ours, 65536)
        except OSError:
            # Linux says so when the last process has left the terminal.
            return False
        self.seen += content.decode("utf-8", "replace")
        return bool(content)
