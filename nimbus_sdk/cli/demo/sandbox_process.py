"""The demo's sandbox: the command line's own, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from nimbus_sdk.cli.ui.sandbox_control import SandboxControl
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.transport.redaction import sanitize

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_EXTRA = ("starlette", "uvicorn", "build", "hatchling", "numpy")


def require_sandbox_extra() -> None:
    """Make sure that a sandbox can be started and its core installed.

    Raises:
        SandboxUnavailableError: A package is missing; the message has the pip command.
    """
    from nimbus_sdk.sandbox.availability import unavailable_error

    for name in _EXTRA:
        if find_spec(name) is None:
            raise unavailable_error(ModuleNotFoundError(f"No module named {name!r}", name=name))


class SandboxProcess:
    """A sandbox in another process, from its making until :meth:`stop`.

    Args:
        folder: Its working directory; what it says of itself goes to ``sandbox.log`` there.
        environ: Its environment.
        detached: Whether it outlives this process and its terminal.

    Attributes:
        api_url: Where it serves.
        key: A research key that it knows.
        pid: Its process.
        environment: What leads a shell to it, the key among it.
        control: Its control plane.

    Raises:
        ConfigurationError: It did not start; the message ends with its last words.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], *, detached: bool) -> None:
        self._log = folder / "sandbox.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nimbus_sdk", "sandbox", "serve", "--json"],
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=detached,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) if detached else 0,
            )
        try:
            facts = self._first_line()
        except BaseException:
            self.stop()
            raise
        self.api_url = str(facts["api_url"])
        self.key = str(facts["key"])
        self.pid = self._process.pid
        environment = facts["environment"]
        self.environment = dict(environment) if isinstance(environment, dict) else {}
        self.control = SandboxControl(self.api_url, str(facts["control_token"]))

    def stop(self) -> None:
        """End it and wait until it has ended; a second call does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def stopped(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def _first_line(self) -> dict[str, object]:
        stream = self._process.stdout
        if stream is None:
            raise ConfigurationError("The sandbox did not start: it has no output.")
        # A sandbox that hangs must not hang the demo: ended, it closes the pipe that is read here.
        timer = threading.Timer(START_SECONDS, self._process.kill)
        timer.start()
        try:
            line = stream.readline()
        finally:
            timer.cancel()
        try:
            facts = json.loads(line)
        except ValueError:
            facts = None
        if not isinstance(facts, dict):
            raise ConfigurationError(f"The sandbox did not start: {self._last_words()}", hint="")
        return facts

    def _last_words(self) -> str:
        said = self._log.read_text("utf-8", "replace").strip().splitlines()
        return sanitize(said[-1]) if said else "it said nothing."
