"""Many processes at once on one machine: ``python -m tests.qualification.crowds`` starts 50."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.qualification.machines import Machine, machines_in
from tests.support.fork_server import Outcome

ONE_INSTALL = {"validate": 1, "github_token": 1, "release": 1, "asset": 1, "storage": 1}
ONE_REFRESH = {"refresh": 1}


def crowd(
    machine: Machine,
    number: int,
    task: str = "install",
    environ: Mapping[str, str] | None = None,
    **order: object,
) -> list[Outcome]:
    """Run the same task in so many processes that start at the same moment, and wait for all of them."""
    children = [machine.start(task, environ, wait_for_start=True, **order) for _ in range(number)]
    for child in children:
        child.begin()
    return [child.outcome() for child in children]


def count_requests(machine: Machine) -> dict[str, int]:
    """Return how often each endpoint was requested since the log was cleared."""
    return dict(Counter(exchange.endpoint for exchange in machine.machines.sandbox.journal()))


def problems(outcomes: list[Outcome], fingerprint: str) -> list[Outcome]:
    """Return those that did not return the session of this key."""
    return [outcome for outcome in outcomes if outcome.value != fingerprint]


def main(number: int = 50) -> int:
    """Install, then renew an old session, with so many processes; return the exit code."""
    wrong = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        machines_in(Path(folder), Path(folder) / "wheels") as machines,
    ):
        machine, key = machines.create(), machines.key("one")
        for name, expected in (("install", ONE_INSTALL), ("refresh", ONE_REFRESH)):
            machines.sandbox.clear_journal()
            started = time.monotonic()
            failed = problems(crowd(machine, number, key=key), machines.fingerprint("one"))
            seconds = time.monotonic() - started
            print(f"{number} processes, {name}: {seconds:.2f} s, {count_requests(machine)}, failed {failed}")
            wrong += bool(failed) + (count_requests(machine) != expected)
            machine.run("age_session", hours=2)
    return 1 if wrong else 0


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m tests.qualification.crowds", description=__doc__).parse_args()
    sys.exit(main())
