"""A home, a working directory and an environment for each child, and what may be found there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.qualification.nursery import Life, Nursery, Outcome

UNLIMITED = dict.fromkeys(("validate", "refresh", "revoke", "github_token", "models", "analytics"))
NEW = "0.2.0"
CREDENTIALS = "nimbus/config/credentials.json"
_numbers = count()


@dataclass(frozen=True)
class State:
    """What a process that starts now finds: the fingerprints of the session's key and of the stored key."""

    session: str | None
    core: str | None
    key: str | None


NOTHING = State(None, None, None)


@dataclass
class Stage:
    """Where the worlds of one test or campaign stand: a folder, a running sandbox, a nursery."""

    folder: Path
    sandbox: Sandbox
    nursery: Nursery
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Path of a file with a research key; the same name gives the same key."""
        path = self.folder / f"{name}.key"
        if name not in self.keys:
            self.keys[name] = self.sandbox.new_key("research")
            path.write_text(self.keys[name])
        return str(path)

    def fingerprint(self, name: str) -> str:
        """Of the key in that file."""
        self.key(name)
        return ApiKey.parse(self.keys[name]).fingerprint

    def world(self, like: World | None = None) -> World:
        """A new world, empty or a copy of another."""
        path = self.folder / f"world-{next(_numbers)}"
        if like is not None:
            shutil.copytree(like.path, path)
        for name in ("user", "work", "nimbus", "temporary"):
            (path / name).mkdir(parents=True, exist_ok=True)
        return World(path, self)


@dataclass(frozen=True)
class World:
    """One person's machine."""

    path: Path
    stage: Stage

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a child."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path / "user"),
            "TMPDIR": str(self.path / "temporary"),
            "NIMBUS_SDK_HOME": str(self.path / "nimbus"),
            "NIMBUS_SDK_CREDENTIAL_STORE": "file",
            "NIMBUS_SDK_NO_PROGRESS": "1",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **self.stage.sandbox.environment(),
            **more,
        }

    def start(self, errand: str, environ: Mapping[str, str] | None = None, **arguments: object) -> Life:
        """Let a child begin an errand here."""
        return self.stage.nursery.start(errand, self.path, self.environ(**(environ or {})), **arguments)

    def run(self, errand: str, environ: Mapping[str, str] | None = None, **arguments: object) -> Outcome:
        """Let a child run an errand here, to its end."""
        return self.start(errand, environ, **arguments).outcome()

    def state(self) -> State:
        """What a later process finds, offline.

        Raises:
            AssertionError: It finds something damaged: no crash and no fault may lead there.
        """
        seen = self.run("look", {"NIMBUS_SDK_OFFLINE": "1"})
        if not isinstance(seen.value, dict):
            raise AssertionError(f"{seen} in {self.path}\n{self.said()}")
        return State(**seen.value)

    def said(self) -> str:
        """What the children wrote to their standard output and error."""
        return "".join(
            (self.path / name).read_text()
            for name in ("stdout.txt", "stderr.txt")
            if (self.path / name).exists()
        )

    def struck(self) -> tuple[str, str, str] | None:
        """Room, function and target of the step at which a tripwire struck; None where it did not."""
        try:
            room, name, target = (self.path / "struck.txt").read_text().split("\t")
        except FileNotFoundError:
            return None
        return room, name, target.removeprefix(f"{self.path}/")

    def files_with(self, text: str) -> list[str]:
        """Files of this world that hold a text, relative to it."""
        wanted = text.encode()
        return sorted(
            str(path.relative_to(self.path))
            for path in self.path.rglob("*")
            if path.is_file() and wanted in path.read_bytes()
        )

    def remove(self) -> None:
        """Free the disk."""
        shutil.rmtree(self.path)


@contextmanager
def stage_at(folder: Path, wheel_dir: Path) -> Iterator[Stage]:
    """A stage of its own, for a run outside of pytest."""
    with Sandbox(wheel_dir=wheel_dir, limits=UNLIMITED) as sandbox, Nursery() as nursery:
        yield Stage(folder, sandbox, nursery)
