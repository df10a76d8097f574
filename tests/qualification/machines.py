"""Machines for tests: folders with a home, a working directory and an environment for child processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.support.fork_server import ROOT, ChildProcess, ForkServer, Outcome, run_fork_server
from tests.support.forked import RUN_PYTHON, WARM_MODULES

UNLIMITED = dict.fromkeys(("validate", "refresh", "revoke", "github_token", "models", "analytics"))
NEW = "0.2.0"
CREDENTIALS = "nimbus/config/credentials.json"
TASKS = "tests.qualification.tasks"
_numbers = count()


@dataclass(frozen=True)
class State:
    """What a new process finds: the core's version, the fingerprints of the session's and the stored key."""

    session: str | None
    core: str | None
    key: str | None


NOTHING = State(None, None, None)


@dataclass
class Machines:
    """Creates machines that use one sandbox and one fork server, in one folder."""

    folder: Path
    sandbox: Sandbox
    fork_server: ForkServer
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Return the path of a file with a research key; the same name gives the same key."""
        path = self.folder / f"{name}.key"
        if name not in self.keys:
            self.keys[name] = self.sandbox.new_key("research")
            path.write_text(self.keys[name])
        return str(path)

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of the key in that file."""
        self.key(name)
        return ApiKey.parse(self.keys[name]).fingerprint

    def create(self, copy_of: Machine | None = None) -> Machine:
        """Create a machine, empty or as a copy of another."""
        path = self.folder / f"machine-{next(_numbers)}"
        if copy_of is not None:
            shutil.copytree(copy_of.path, path)
        for name in ("user", "work", "nimbus", "temporary"):
            (path / name).mkdir(parents=True, exist_ok=True)
        return Machine(path, self)


@dataclass(frozen=True)
class Machine:
    """One machine: its folder, and what a process finds and leaves there."""

    path: Path
    machines: Machines

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a child process."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path / "user"),
            "TMPDIR": str(self.path / "temporary"),
            "NIMBUS_SDK_HOME": str(self.path / "nimbus"),
            "NIMBUS_SDK_CREDENTIAL_STORE": "file",
            "NIMBUS_SDK_NO_PROGRESS": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "SSL_CERT_FILE": str(ROOT / "tests" / "support" / "root.pem"),
            **self.machines.sandbox.environment(),
            **more,
        }

    def start(self, task: str, environ: Mapping[str, str] | None = None, **arguments: object) -> ChildProcess:
        """Start a task of ``tests.qualification.tasks`` in a child process here."""
        return self._start(f"{TASKS}:{task}", environ, arguments)

    def start_python(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> ChildProcess:
        """Start what ``python`` runs with these arguments in a child process here."""
        return self._start(RUN_PYTHON, environ, {"arguments": command})

    def _start(
        self, task: str, environ: Mapping[str, str] | None, arguments: Mapping[str, object]
    ) -> ChildProcess:
        with (
            open(os.devnull) as nothing,
            open(self.path / "stdout.txt", "ab") as out,
            open(self.path / "stderr.txt", "ab") as err,
        ):
            return self.machines.fork_server.start(
                task,
                environ=self.environ(**(environ or {})),
                folder=self.path / "work",
                descriptors=[nothing.fileno(), out.fileno(), err.fileno()],
                **arguments,
            )

    def run(self, task: str, environ: Mapping[str, str] | None = None, **arguments: object) -> Outcome:
        """Run a task in a child process here, to its end."""
        return self.start(task, environ, **arguments).outcome()

    def state(self) -> State:
        """Return what a new process finds, offline.

        Raises:
            AssertionError: It finds something damaged, which no crash and no fault may cause.
        """
        seen = self.run("find_state", {"NIMBUS_SDK_OFFLINE": "1"})
        if not isinstance(seen.value, dict):
            raise AssertionError(f"{seen} in {self.path}\n{self.output()}")
        return State(**seen.value)

    def output(self) -> str:
        """Return what the children wrote to their standard output and error."""
        return "".join(
            (self.path / name).read_text()
            for name in ("stdout.txt", "stderr.txt")
            if (self.path / name).exists()
        )

    def hit_step(self) -> tuple[str, str, str] | None:
        """Return area, function and target of the step that a fault point hit; None if it hit none."""
        try:
            area, name, target = (self.path / "hit_step.txt").read_text().split("\t")
        except FileNotFoundError:
            return None
        return area, name, target.removeprefix(f"{self.path}/")

    def files_containing(self, text: str) -> list[str]:
        """Return the files that contain a text, relative to the machine's folder."""
        wanted = text.encode()
        return sorted(
            str(path.relative_to(self.path))
            for path in self.path.rglob("*")
            if path.is_file() and wanted in path.read_bytes()
        )

    def remove(self) -> None:
        """Delete the machine's folder."""
        shutil.rmtree(self.path)


@contextmanager
def machines_in(folder: Path, wheel_dir: Path) -> Iterator[Machines]:
    """Provide machines with a sandbox and a fork server of their own, for a run outside of pytest."""
    with (
        Sandbox(wheel_dir=wheel_dir, limits=UNLIMITED) as sandbox,
        run_fork_server(*WARM_MODULES) as fork_server,
    ):
        yield Machines(folder, sandbox, fork_server)
