"""A disk that refuses at every step of an install: ``python -m tests.qualification.disk_faults``."""

from __future__ import annotations

import argparse
import errno
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.qualification.kills import PARALLEL
from tests.qualification.machines import State, machines_in
from tests.qualification.scenarios import Scenario, first_install, leaks, upgrade
from tests.support.fork_server import Outcome

CODES = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES)
LASTING = frozenset({errno.ENOSPC, errno.EROFS})
"""A full disk stays full, and one that was remounted stays read-only; the others refuse once."""


@dataclass(frozen=True)
class Refusal:
    """One refusal of the disk and its effect.

    Attributes:
        at: Number of the step towards the disk.
        code: What it refused with.
        hit_step: Area, function and target of the step; None if the install did not get so far.
        outcome: What ``install_core`` returned or raised.
        found: What a later process finds.
        problems: Everything that is wrong.
    """

    at: int
    code: int
    hit_step: tuple[str, str, str] | None
    outcome: Outcome
    found: State
    problems: tuple[str, ...]


def disk_steps(scenario: Scenario) -> int:
    """Return how many steps towards the disk an undisturbed install takes."""
    return sum(area == "disk" for area, _, _ in scenario.steps)


def refusals(scenario: Scenario, cases: Iterable[tuple[int, int]]) -> list[Refusal]:
    """Let the disk refuse, each time on a machine of its own; a case is a step's number and an errno."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda case: _refuse(scenario, *case), cases))


def _refuse(scenario: Scenario, at: int, code: int) -> Refusal:
    machine = scenario.start.machines.create(copy_of=scenario.start)
    fault_point = {"at": at, "errno": code, "lasting": code in LASTING}
    outcome = machine.run("install", fault_point=fault_point, **scenario.arguments)
    found = machine.state()
    problems = list(_problems(scenario, outcome, found, code in LASTING))
    again = machine.run("install", key=scenario.arguments["key"])
    if again.error is not None:
        problems.append(f"run again, it raises {again.error}: {again.message}")
    problems += scenario.problems_after_repeat(machine.state())
    problems += leaks(machine, scenario)
    hit_step = machine.hit_step()
    if not problems:
        machine.remove()
    return Refusal(at, code, hit_step, outcome, found, tuple(problems))


def _problems(scenario: Scenario, outcome: Outcome, found: State, lasting: bool) -> Iterable[str]:
    if outcome.killed:
        yield "the process died"
    elif outcome.error is not None and not outcome.expected:
        yield f"a bare {outcome.error}: {outcome.message}"
    if outcome.error is None and found != scenario.new:
        yield f"it returned, but left {found}"
    if outcome.error is not None and found == scenario.new:
        yield f"it raised {outcome.error}, although all was done: {outcome.message}"
    if lasting:
        # What was stored a moment before the disk began to refuse cannot be undone.
        yield from scenario.problems(found)
    elif found not in (scenario.old, scenario.new):
        yield f"neither the old state nor the new one: {found}"


def main(codes: Sequence[int] = CODES) -> int:
    """Refuse every step of both scenarios with every errno; return the exit code."""
    wrong = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        machines_in(Path(folder), Path(folder) / "wheels") as machines,
    ):
        for make_scenario in (first_install, upgrade):
            scenario = make_scenario(machines)
            done = refusals(scenario, product(range(disk_steps(scenario)), codes))
            _print_table(scenario, done)
            wrong += sum(bool(refusal.problems) for refusal in done)
    return 1 if wrong else 0


def _print_table(scenario: Scenario, done: list[Refusal]) -> None:
    hit_step = [refusal for refusal in done if refusal.hit_step is not None]
    print(f"\n{scenario.name}: {len(hit_step)} refusals")
    print(f"  {'errno':<10}{'hit_step':>8}{'raised':>8}{'old found':>11}{'new found':>11}{'problems':>8}")
    for code in sorted({refusal.code for refusal in hit_step}):
        these = [refusal for refusal in hit_step if refusal.code == code]
        raised = sum(refusal.outcome.error is not None for refusal in these)
        old = sum(refusal.found.core == scenario.old.core for refusal in these)
        bad = sum(bool(refusal.problems) for refusal in these)
        name = errno.errorcode[code]
        print(f"  {name:<10}{len(these):>8}{raised:>8}{old:>11}{len(these) - old:>11}{bad:>8}")
    raised_as = Counter(refusal.outcome.error for refusal in hit_step if refusal.outcome.error)
    print("  raised: " + ", ".join(f"{name} {number}" for name, number in raised_as.most_common()))
    for refusal in done:
        for problem in refusal.problems:
            print(f"  step {refusal.at}, {errno.errorcode[refusal.code]}, {refusal.hit_step}: {problem}")


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m tests.qualification.disk_faults", description=__doc__
    ).parse_args()
    sys.exit(main())
