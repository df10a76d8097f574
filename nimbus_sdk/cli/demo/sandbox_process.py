"""The demo's sandbox, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, cast

from nimbus_sdk.cli.ui.sandbox_control import SandboxControl
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.transport.redaction import sanitize

START_SECONDS, STOP_SECONDS = 60.0, 10.0


class SandboxProcess:
    """``nimbus-sdk sandbox serve --json`` in a child process, until ``stop``; its log is in the folder.

    ``detached`` lets it outlive this process and its terminal.

    Raises:
        ConfigurationError: It did not start; the message ends with the last line of its log.
    """

    def __init__(self, command: list[str], folder: Path, environ: dict[str, str], *, detached: bool) -> None:
        log = folder / "sandbox.log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=detached,
                # A group of its own can be sent Ctrl-Break, which ends it in order.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        # A sandbox that hangs must not hang the demo: once killed, it closes the pipe that is read here.
        timer = threading.Timer(START_SECONDS, self._process.kill)
        timer.start()
        try:
            with cast("IO[bytes]", self._process.stdout) as stdout:
                facts = json.loads(stdout.readline())
        except BaseException as error:
            self.stop()
            if not isinstance(error, ValueError):
                raise
            last = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
            message = f"The sandbox did not start: {sanitize(last) or 'its log is empty.'}"
            raise ConfigurationError(message, hint="") from None
        finally:
            timer.cancel()
        self.api_url, self.key, self.pid = str(facts["api_url"]), str(facts["key"]), self._process.pid
        self.environment: dict[str, str] = facts["environment"]
        self.control = SandboxControl(self.api_url, str(facts["control_token"]))

    def stop(self) -> None:
        """End the process and wait for it; a second call does nothing."""
        # On Windows, terminate() is a kill, which leaves the temporary files of the sandbox.
        try:
            self._process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        except OSError:
            # A program without a console cannot send Ctrl-Break.
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
