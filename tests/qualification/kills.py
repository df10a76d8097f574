"""kill -9 at every step of an install; ``python -m tests.qualification.kills`` takes them all."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.qualification.scenarios import Scenario, first_install, leaks, upgrade
from tests.qualification.worlds import State, stage_at

AT_ONCE = 4


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it.

    Attributes:
        at: Number of the step.
        struck: Room, function and target of the step before which the process died; None where the
            install had come to its end before (answers arrive in a varying number of pieces).
        found: What a later process found.
        faults: Everything that was wrong.
    """

    at: int
    struck: tuple[str, str, str] | None
    found: State
    faults: tuple[str, ...]


def spread(number: int, most: int) -> list[int]:
    """At most so many of the numbers below another, evenly spread, first and last among them."""
    if number <= most:
        return list(range(number))
    return sorted({round(place * (number - 1) / (most - 1)) for place in range(most)})


def kills(scenario: Scenario, points: Iterable[int]) -> list[Kill]:
    """Kill an install at each of these steps, each time in a world of its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda at: _kill(scenario, at), points))


def _kill(scenario: Scenario, at: int) -> Kill:
    world = scenario.start.stage.world(like=scenario.start)
    died = world.run("install", wire={"at": at, "act": "kill"}, **scenario.order).killed
    struck = world.struck()
    found = world.state()
    faults = list(scenario.faults(found))
    if died != (struck is not None):
        faults.append(f"killed: {died}, but struck at {struck}")
    again = world.run("install", key=scenario.order["key"])
    if again.fault is not None:
        faults.append(f"run again, it raises {again.fault}: {again.message}")
    faults += scenario.faults_after_repeat(world.state())
    faults += leaks(world, scenario)
    if not faults:
        world.remove()
    return Kill(at, struck, found, tuple(faults))


def main() -> int:
    """Kill at every step of both scenarios; the exit code says whether all is well."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, stage_at(Path(folder), Path(folder) / "wheels") as stage:
        for scene in (first_install, upgrade):
            scenario = scene(stage)
            done = kills(scenario, range(len(scenario.steps)))
            _print_table(scenario, done)
            wrong += sum(bool(kill.faults) for kill in done)
    return 1 if wrong else 0


def _print_table(scenario: Scenario, done: list[Kill]) -> None:
    struck = [kill for kill in done if kill.struck is not None]
    print(f"\n{scenario.name}: {len(struck)} kills")
    print(f"  {'killed before':<18}{'kills':>6}{'old found':>11}{'new found':>11}{'faults':>8}")
    names = Counter(f"{kill.struck[0]} {kill.struck[1]}" for kill in struck if kill.struck is not None)
    for name, number in names.most_common():
        these = [kill for kill in struck if kill.struck is not None and " ".join(kill.struck[:2]) == name]
        old = sum(kill.found.core == scenario.old.core for kill in these)
        bad = sum(bool(kill.faults) for kill in these)
        print(f"  {name:<18}{number:>6}{old:>11}{number - old:>11}{bad:>8}")
    for kill in done:
        for fault in kill.faults:
            print(f"  step {kill.at}, {kill.struck}: {fault}")


if __name__ == "__main__":
    sys.exit(main())
