"""Processes that print and log everything that the SDK returns, so that a leaked secret would be found.

``python -m tests.qualification.canaries`` is the long form: it lets every endpoint fail in every way, and
interrupts an install at every step.
"""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType

from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.sandbox.github.routes import GitHub
from tests.qualification.machines import CREDENTIALS, Machine, machines_in
from tests.qualification.secret_search import SecretSearch
from tests.support.fork_server import Outcome
from tests.support.forked import RUN_PYTHON

Fields = dict[str, object]

FORGED = f"github_pat_{secrets.token_hex(41)}"
"""A token that only a faulty service sends."""

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
"""The call that uses each endpoint."""

WRONG_KEYS = ("cut", "long", "unknown", "expired", "drained")

INTERRUPTION_POINTS: list[Fields] = [
    *({"name": "sendall", "nth": number} for number in range(6)),
    {"name": "recv"},
    {"name": "recv", "nth": 4},
    *({"name": "create", "target": "credentials.json.", "later": steps} for steps in range(4)),
    {"name": "create", "target": ".part", "later": 8},
    {"name": "spawned"},
]
"""Steps of an install at which the frames hold the most."""


class Canary:
    """A process of ``tests.qualification.canary_child``; its output goes to files of its machine.

    Args:
        machine: Where it runs.
        keys: The keys that it uses, by name.
        detail: ``all`` prints every variable of every frame with Rich, which is slow; ``some`` each once.
        environ: In addition to the machine's own environment.
    """

    def __init__(
        self, machine: Machine, keys: dict[str, str], *, detail: str = "some", **environ: str
    ) -> None:
        self._machine = machine
        # A socket, since it ends for this process too if the child ends.
        self._tasks, theirs = socket.socketpair()
        self._answers = self._tasks.makefile()
        with (
            theirs,
            open(machine.path / "stdout.txt", "ab") as out,
            open(machine.path / "stderr.txt", "ab") as err,
        ):
            self._child = machine.machines.fork_server.start(
                RUN_PYTHON,
                environ=machine.environ(**environ),
                folder=machine.path / "work",
                descriptors=[theirs.fileno(), out.fileno(), err.fileno()],
                arguments=["-m", "tests.qualification.canary_child", detail],
            )
        self._ask(keys, "its start")

    def run(self, task: str, /, **arguments: object) -> bool:
        """Run a task to its end; return the task's result if that is a bool, else False."""
        return self._ask({"task": task, "arguments": arguments}, f"{task} {arguments}") == "True\n"

    def __enter__(self) -> Canary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = self._outcome
        if kind is None:
            assert outcome.value == 0

    def _ask(self, message: object, purpose: str) -> str:
        answer = ""
        with suppress(ConnectionError):
            self._tasks.sendall(f"{json.dumps(message)}\n".encode())
            answer = self._answers.readline()
        assert answer, f"the canary died at {purpose}: {self._outcome}\n{self._machine.output()}"
        return answer

    @cached_property
    def _outcome(self) -> Outcome:
        """The result of the process, which ends when it can get no more tasks."""
        self._answers.close()
        self._tasks.close()
        return self._child.outcome()


@dataclass(frozen=True)
class Failure:
    """What goes wrong at the service, and the task that runs meanwhile."""

    faults: list[Fields]
    task: str
    arguments: Fields


def failures(keys: dict[str, str], *, endpoints_each: int) -> Iterator[Failure]:
    """Yield every way to fail, each at so many of the endpoints, in turn."""
    endpoints = list(CALLS)
    for number, shape in enumerate(_fault_shapes(keys)):
        for step in range(endpoints_each):
            endpoint = endpoints[(number * endpoints_each + step) % len(endpoints)]
            yield Failure([{"endpoint": endpoint, **shape}], *CALLS[endpoint])
    token: Fields = {"success": True, "github_token": FORGED, "expires_at": None, "message": FORGED}
    refusal: Fields = {"endpoint": "release", "status": 401, "body": {"message": f"bad {FORGED}"}}
    for answer in (token, {**token, "expires_at": 7}, {**token, "github_token": f"{FORGED}\n{FORGED} x"}):
        yield Failure([{"endpoint": "github_token", "body": answer}, refusal], "install", INSTALL)
    yield Failure([{"endpoint": "storage", "corrupt_digest": True}], "install", INSTALL)
    # Long enough to contain a token already.
    cut: Fields = {"endpoint": "github_token", "truncate": 120, "times": None}
    for task in ("install", "install_in_a_loop"):
        yield Failure([cut], task, INSTALL)


def _fault_shapes(keys: dict[str, str]) -> list[Fields]:
    message = f"the key {keys['good']} and the token {FORGED} are known to everybody"
    return [
        {"status": 401, "body": {"error": message, "code": "INVALID_KEY", "message": message}},
        {"status": 401, "code": "KEY_EXPIRED"},
        {"status": 403, "body": {"error": {"message": message, "code": message}}},
        {"status": 429, "headers": {"Retry-After": "60", "X-Request-ID": message}},
        {"status": 500, "body": message, "times": None},
        {"status": 503, "code": "NOT_CONFIGURED"},
        {"html": True},
        {"raw_body": message.encode()},
        {"body": {"valid": message, "success": message, "models": message, "github_token": {"x": FORGED}}},
        {"redirect": f"https://127.0.0.1:9/?token={FORGED}"},
        {"reset": "before_head", "times": None},
        {"reset": "after_head", "times": None},
        {"truncate": 20, "times": None},
        {"drip": 20.0},
    ]


def run_during_failure(canary: Canary, sandbox: Sandbox, failure: Failure) -> None:
    """Run a task in a canary while the service fails."""
    for fault in failure.faults:
        sandbox.fault(**fault)  # type: ignore[arg-type]
    canary.run(failure.task, **failure.arguments)
    sandbox.clear_faults()


def tasks_with_wrong_keys() -> Iterator[tuple[str, Fields]]:
    """Yield every task that takes a key, with every key that is wrong."""
    for key in WRONG_KEYS:
        for task in ("install", "install_in_a_loop", "authenticate", "revoke", "save"):
            yield task, {"key": key}
        yield "by_environment", {"key": key, "task": "install"}
        yield "by_dotenv", {"key": key, "task": "authenticate"}
        yield "by_environment", {"key": key, "task": "call", "function": "current_session"}
        yield "by_environment", {"key": key, "task": "call", "function": "explain"}
        for task in ("client", "client_in_a_loop"):
            yield task, {"key": key, "method": "validate"}
            yield task, {"key": key, "method": "log_event", "event_type": "inference"}


def keys_of_every_kind(sandbox: Sandbox) -> dict[str, str]:
    """Create a key of every kind: valid, of a lower tier, expired, unknown, damaged."""
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
def recorded_tokens() -> Iterator[list[str]]:
    """Collect every GitHub token that a sandbox of this process issues."""
    issued: list[str] = []
    real = GitHub.issue_token

    def issue(self: GitHub, fingerprint: str, lifetime: float | None) -> tuple[str, float | None]:
        token, expires_at = real(self, fingerprint, lifetime)
        issued.append(token)
        return token, expires_at

    GitHub.issue_token = issue  # type: ignore[method-assign]
    try:
        yield issued
    finally:
        GitHub.issue_token = real  # type: ignore[method-assign]


def find_secrets(machine: Machine, keys: dict[str, str], tokens: list[str]) -> list[str]:
    """Return the secrets in everything that a machine's processes wrote, except the one file for keys."""
    named = {**keys, **{f"token {number}": token for number, token in enumerate([*tokens, FORGED])}}
    return SecretSearch(named).find_in_files(machine.path, exempt=[CREDENTIALS])


def main() -> int:
    """Give wrong keys to everything, let everything fail, interrupt at every step; return the exit code."""
    with (
        recorded_tokens() as tokens,
        tempfile.TemporaryDirectory() as folder,
        machines_in(Path(folder), Path(folder) / "wheels") as machines,
    ):
        machine, keys = machines.create(), keys_of_every_kind(machines.sandbox)
        with Canary(machine, keys, detail="all") as canary:
            wrong = list(tasks_with_wrong_keys())
            for task, arguments in wrong:
                canary.run(task, **arguments)
            canary.run("call", function="delete_stored_api_key")
        with Canary(machine, keys, detail="all") as canary:
            everything = list(failures(keys, endpoints_each=len(CALLS)))
            for failure in everything:
                run_during_failure(canary, machines.sandbox, failure)
        # Each is another process, whose rate limits are unused.
        with Canary(machine, keys, detail="all") as canary:
            steps = 0
            while canary.run("interrupted_install", key="good", at=steps):
                steps += 1
        matches = find_secrets(machine, keys, tokens)
        counts = f"{len(wrong)} wrong keys, {len(everything)} failures, {steps} interruptions"
        print(f"{counts}, {len(tokens)} tokens, matches: {matches}")
    return 1 if matches else 0


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m tests.qualification.canaries", description=__doc__).parse_args()
    sys.exit(main())
