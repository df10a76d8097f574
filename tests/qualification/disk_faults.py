"""A disk that refuses at every step of an install; ``python -m tests.qualification.disk_faults``."""

from __future__ import annotations

import errno
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.qualification.kills import AT_ONCE
from tests.qualification.nursery import Outcome
from tests.qualification.scenarios import Scenario, first_install, leaks, upgrade
from tests.qualification.worlds import State, stage_at

CODES = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES)
LASTING = frozenset({errno.ENOSPC, errno.EROFS})
"""A full disk stays full, and one that was mounted anew stays read-only; the others strike once."""


@dataclass(frozen=True)
class Refusal:
    """One refusal of the disk and what came of it.

    Attributes:
        at: Number of the step towards the disk.
        code: What it refused with.
        struck: Room, function and target of the step; None where the install did not come so far.
        outcome: What ``install_core`` gave or raised.
        found: What a later process found.
        faults: Everything that was wrong.
    """

    at: int
    code: int
    struck: tuple[str, str, str] | None
    outcome: Outcome
    found: State
    faults: tuple[str, ...]


def disk_steps(scenario: Scenario) -> int:
    """How many steps towards the disk an undisturbed install takes."""
    return sum(room == "disk" for room, _, _ in scenario.steps)


def refusals(scenario: Scenario, cases: Iterable[tuple[int, int]]) -> list[Refusal]:
    """Let the disk refuse, each time in a world of its own; a case is a step's number and an errno."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda case: _refuse(scenario, *case), cases))


def _refuse(scenario: Scenario, at: int, code: int) -> Refusal:
    world = scenario.start.stage.world(like=scenario.start)
    wire = {"at": at, "errno": code, "lasting": code in LASTING}
    outcome = world.run("install", wire=wire, **scenario.order)
    found = world.state()
    faults = list(_faults(scenario, outcome, found, code in LASTING))
    again = world.run("install", key=scenario.order["key"])
    if again.fault is not None:
        faults.append(f"run again, it raises {again.fault}: {again.message}")
    faults += scenario.faults_after_repeat(world.state())
    faults += leaks(world, scenario)
    struck = world.struck()
    if not faults:
        world.remove()
    return Refusal(at, code, struck, outcome, found, tuple(faults))


def _faults(scenario: Scenario, outcome: Outcome, found: State, lasting: bool) -> Iterable[str]:
    if outcome.killed:
        yield "the process died"
    elif outcome.fault is not None and not outcome.expected:
        yield f"a bare {outcome.fault}: {outcome.message}"
    if outcome.fault is None and found != scenario.new:
        yield f"it returned, but left {found}"
    if outcome.fault is not None and found == scenario.new:
        yield f"it raised {outcome.fault}, although all was done: {outcome.message}"
    if lasting:
        # What was stored a moment before the disk turned cannot be taken back from it.
        yield from scenario.faults(found)
    elif found not in (scenario.old, scenario.new):
        yield f"neither the old state nor the new one: {found}"


def main(codes: Sequence[int] = CODES) -> int:
    """Refuse every step of both scenarios with every errno; the exit code says whether all is well."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, stage_at(Path(folder), Path(folder) / "wheels") as stage:
        for scene in (first_install, upgrade):
            scenario = scene(stage)
            done = refusals(scenario, product(range(disk_steps(scenario)), codes))
            _print_table(scenario, done)
            wrong += sum(bool(refusal.faults) for refusal in done)
    return 1 if wrong else 0


def _print_table(scenario: Scenario, done: list[Refusal]) -> None:
    struck = [refusal for refusal in done if refusal.struck is not None]
    print(f"\n{scenario.name}: {len(struck)} refusals")
    print(f"  {'errno':<10}{'struck':>8}{'raised':>8}{'old found':>11}{'new found':>11}{'faults':>8}")
    for code in sorted({refusal.code for refusal in struck}):
        these = [refusal for refusal in struck if refusal.code == code]
        raised = sum(refusal.outcome.fault is not None for refusal in these)
        old = sum(refusal.found.core == scenario.old.core for refusal in these)
        bad = sum(bool(refusal.faults) for refusal in these)
        name = errno.errorcode[code]
        print(f"  {name:<10}{len(these):>8}{raised:>8}{old:>11}{len(these) - old:>11}{bad:>8}")
    raised_as = Counter(refusal.outcome.fault for refusal in struck if refusal.outcome.fault)
    print("  raised: " + ", ".join(f"{name} {number}" for name, number in raised_as.most_common()))
    for refusal in done:
        for fault in refusal.faults:
            print(f"  step {refusal.at}, {errno.errorcode[refusal.code]}, {refusal.struck}: {fault}")


if __name__ == "__main__":
    sys.exit(main())
