"""Processes that would betray a secret if the SDK did.

``python -m tests.qualification.canaries`` is the long form: it lets every endpoint fail in every way, and
interrupts an install at every step.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.sandbox.github.tokens import GithubTokens
from tests.qualification.needles import Needles
from tests.qualification.nursery import ROOT
from tests.qualification.worlds import CREDENTIALS, World, stage_at

Fields = dict[str, object]

FORGED = f"github_pat_{secrets.token_hex(41)}"
"""A token that only a faulty service tells."""

INSTALL: Fields = {"key": "good", "force": True, "timeout": 0.4}
CALLS: dict[str, tuple[str, Fields]] = {
    "validate": ("install", INSTALL),
    "github_token": ("install_in_a_loop", INSTALL),
    "release": ("install", INSTALL),
    "asset": ("install", INSTALL),
    "storage": ("install_in_a_loop", INSTALL),
    "refresh": ("call", {"function": "refresh_quota", "timeout": 0.4}),
    "models": ("client", {"key": "good", "method": "list_models"}),
    "analytics": ("client_in_a_loop", {"key": "good", "method": "log_event", "event_type": "error"}),
    "revoke": ("revoke", {"key": "other", "timeout": 0.4}),
}
"""What makes an endpoint be asked."""

AIMS: list[Fields] = [
    *({"name": "send", "nth": number} for number in range(6)),
    {"name": "recv"},
    {"name": "recv", "nth": 4},
    *({"name": "create", "target": "credentials.json.", "later": steps} for steps in range(4)),
    {"name": "create", "target": ".part", "later": 8},
    {"name": "spawned"},
]
"""Steps of an install at which the frames hold most."""


class Canary:
    """A process of :mod:`tests.qualification.canary_child`; its output goes into files of its world.

    Args:
        world: Where it lives.
        keys: What it is told, by name.
        environ: Beside the world's own.
    """

    def __init__(self, world: World, keys: dict[str, str], **environ: str) -> None:
        listen, tell = os.pipe()
        with open(world.path / "stdout.txt", "ab") as out, open(world.path / "stderr.txt", "ab") as err:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.qualification.canary_child", str(tell)],
                cwd=world.path / "work",
                env=world.environ(PYTHONPATH=str(ROOT), **environ),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                pass_fds=[tell],
                text=True,
            )
        os.close(tell)
        self._done = os.fdopen(listen)
        self._say(keys)

    def does(self, errand: str, /, **arguments: object) -> bool:
        """Let it run one errand to its end; gives the errand's own yes or no, and no where it has none."""
        self._say({"do": errand, "with": arguments})
        told = self._done.readline()
        assert told, f"the canary died at {errand} {arguments}"
        return told == "True\n"

    def __enter__(self) -> Canary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._child.kill()
        self._child.communicate()
        self._done.close()
        if kind is None:
            assert self._child.returncode == 0

    def _say(self, what: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(what) + "\n")
        self._child.stdin.flush()


@dataclass(frozen=True)
class Failure:
    """What goes wrong at the service, and what is tried meanwhile."""

    faults: list[Fields]
    errand: str
    arguments: Fields


def failures(keys: dict[str, str], *, endpoints_each: int) -> Iterator[Failure]:
    """Every way to fail, each at so many of the endpoints, every endpoint in its turn."""
    endpoints = list(CALLS)
    for number, shape in enumerate(_shapes(keys)):
        for step in range(endpoints_each):
            endpoint = endpoints[(number * endpoints_each + step) % len(endpoints)]
            yield Failure([{"endpoint": endpoint, **shape}], *CALLS[endpoint])
    token: Fields = {"success": True, "github_token": FORGED, "expires_at": None, "message": FORGED}
    refusal: Fields = {"endpoint": "release", "status": 401, "body": {"message": f"bad {FORGED}"}}
    for answer in (token, {**token, "expires_at": 7}, {**token, "github_token": f"{FORGED}\n{FORGED} x"}):
        yield Failure([{"endpoint": "github_token", "body": answer}, refusal], "install", INSTALL)
    yield Failure([{"endpoint": "storage", "corrupt_digest": True}], "install", INSTALL)
    # Long enough for a token to be there already.
    cut: Fields = {"endpoint": "github_token", "truncate": 120, "times": None}
    for errand in ("install", "install_in_a_loop"):
        yield Failure([cut], errand, INSTALL)


def _shapes(keys: dict[str, str]) -> list[Fields]:
    said = f"the key {keys['good']} and the token {FORGED} are known to everybody"
    return [
        {"status": 401, "body": {"error": said, "code": "INVALID_KEY", "message": said}},
        {"status": 401, "code": "KEY_EXPIRED"},
        {"status": 403, "body": {"error": {"message": said, "code": said}}},
        {"status": 429, "headers": {"Retry-After": "60", "X-Request-ID": said}},
        {"status": 500, "body": said, "times": None},
        {"status": 503, "code": "NOT_CONFIGURED"},
        {"html": True},
        {"raw_body": said.encode()},
        {"body": {"valid": said, "success": said, "models": said, "github_token": {"x": FORGED}}},
        {"redirect": f"https://127.0.0.1:9/?token={FORGED}"},
        {"reset": "before_head", "times": None},
        {"reset": "after_head", "times": None},
        {"truncate": 20, "times": None},
        {"drip": 20.0},
    ]


def suffer(canary: Canary, sandbox: Sandbox, failure: Failure) -> None:
    """Let a canary try something while the service fails."""
    for fault in failure.faults:
        sandbox.fault(**fault)  # type: ignore[arg-type]
    canary.does(failure.errand, **failure.arguments)
    sandbox.clear_faults()


def all_sorts_of_keys(sandbox: Sandbox) -> dict[str, str]:
    """Keys by what is the matter with them."""
    new = sandbox.new_key
    good = new("research")
    return {
        "good": good,
        "other": new("commercial", kind="live"),
        "free": new("free"),
        "drained": new("free", used=10_000),
        "expired": new("research", expires_at=datetime(2020, 1, 1, tzinfo=UTC)),
        "doomed": new("research"),
        "unknown": f"nbci_live_{secrets.token_hex(24)}",
        "cut": good[:-1],
        "long": f"{good}aaaa",
    }


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collects every GitHub token that a sandbox of this process issues."""
    issued: list[str] = []
    real = GithubTokens.issue

    def issue(self: GithubTokens, key_hash: str, lifetime: float | None) -> tuple[str, float | None]:
        token, expires_at = real(self, key_hash, lifetime)
        issued.append(token)
        return token, expires_at

    GithubTokens.issue = issue  # type: ignore[method-assign]
    try:
        yield issued
    finally:
        GithubTokens.issue = real  # type: ignore[method-assign]


def swept(world: World, keys: dict[str, str], tokens: list[str]) -> list[str]:
    """Finds in everything that a world's processes wrote, but the one file that holds keys."""
    named = {**keys, **{f"token {number}": token for number, token in enumerate([*tokens, FORGED])}}
    return Needles(named).in_files(world.path, spared=[CREDENTIALS])


def main() -> int:
    """Let everything fail everywhere, and interrupt at every step; the exit code says whether all is well."""
    with (
        listening() as tokens,
        tempfile.TemporaryDirectory() as folder,
        stage_at(Path(folder), Path(folder) / "wheels") as stage,
    ):
        world, keys = stage.world(), all_sorts_of_keys(stage.sandbox)
        with Canary(world, keys) as canary:
            everything = list(failures(keys, endpoints_each=len(CALLS)))
            for failure in everything:
                suffer(canary, stage.sandbox, failure)
        # Another one, to whom no limit a minute applies yet.
        with Canary(world, keys) as canary:
            steps = 0
            while canary.does("interrupted_install", key="good", at=steps):
                steps += 1
        finds = swept(world, keys, tokens)
        print(f"{len(everything)} failures, {steps} interruptions, {len(tokens)} tokens, finds: {finds}")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
