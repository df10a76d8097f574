"""kill -9 at every step of an install: ``python -m tests.qualification.kills``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.qualification.machines import State, machines_in
from tests.qualification.scenarios import Scenario, first_install, leaks, upgrade

PARALLEL = 4


@dataclass(frozen=True)
class Kill:
    """One kill and its effect.

    Attributes:
        at: Number of the step.
        hit_step: Area, function and target of the step before which the process died; None if the
            install ended before it (responses arrive in a varying number of pieces).
        found: What a later process finds.
        problems: Everything that is wrong.
    """

    at: int
    hit_step: tuple[str, str, str] | None
    found: State
    problems: tuple[str, ...]


def spread(number: int, most: int) -> list[int]:
    """Return at most so many of the numbers below another, evenly spread, with the first and the last."""
    if number <= most:
        return list(range(number))
    return sorted({round(place * (number - 1) / (most - 1)) for place in range(most)})


def kills(scenario: Scenario, points: Iterable[int]) -> list[Kill]:
    """Kill an install at each of these steps, each time on a machine of its own."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda at: _kill(scenario, at), points))


def _kill(scenario: Scenario, at: int) -> Kill:
    machine = scenario.start.machines.create(copy_of=scenario.start)
    died = machine.run("install", fault_point={"at": at, "action": "kill"}, **scenario.arguments).killed
    hit_step = machine.hit_step()
    found = machine.state()
    problems = list(scenario.problems(found))
    if died != (hit_step is not None):
        problems.append(f"killed: {died}, but the step is {hit_step}")
    again = machine.run("install", key=scenario.arguments["key"])
    if again.error is not None:
        problems.append(f"run again, it raises {again.error}: {again.message}")
    problems += scenario.problems_after_repeat(machine.state())
    problems += leaks(machine, scenario)
    if not problems:
        machine.remove()
    return Kill(at, hit_step, found, tuple(problems))


def main() -> int:
    """Kill at every step of both scenarios; return the exit code."""
    wrong = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        machines_in(Path(folder), Path(folder) / "wheels") as machines,
    ):
        for make_scenario in (first_install, upgrade):
            scenario = make_scenario(machines)
            done = kills(scenario, range(len(scenario.steps)))
            _print_table(scenario, done)
            wrong += sum(bool(kill.problems) for kill in done)
    return 1 if wrong else 0


def _print_table(scenario: Scenario, done: list[Kill]) -> None:
    hit_step = [kill for kill in done if kill.hit_step is not None]
    print(f"\n{scenario.name}: {len(hit_step)} kills")
    print(f"  {'killed before':<18}{'kills':>6}{'old found':>11}{'new found':>11}{'problems':>8}")
    names = Counter(
        f"{kill.hit_step[0]} {kill.hit_step[1]}" for kill in hit_step if kill.hit_step is not None
    )
    for name, number in names.most_common():
        these = [
            kill for kill in hit_step if kill.hit_step is not None and " ".join(kill.hit_step[:2]) == name
        ]
        old = sum(kill.found.core == scenario.old.core for kill in these)
        bad = sum(bool(kill.problems) for kill in these)
        print(f"  {name:<18}{number:>6}{old:>11}{number - old:>11}{bad:>8}")
    for kill in done:
        for problem in kill.problems:
            print(f"  step {kill.at}, {kill.hit_step}: {problem}")


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m tests.qualification.kills", description=__doc__).parse_args()
    sys.exit(main())
