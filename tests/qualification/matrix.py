"""Each network step of each story meets each fault; ``python -m tests.qualification.matrix``."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.gate import Gatehouse
from tests.qualification.matrix_play import Report, Stagehand
from tests.qualification.matrix_road import Cell, without_name_server
from tests.qualification.matrix_rules import befalls
from tests.qualification.matrix_stories import STORIES, Homes
from tests.qualification.matrix_table import printed
from tests.qualification.wire_faults import grid_faults, named_faults
from tests.qualification.worlds import UNLIMITED

AT_ONCE = 12
SAMPLE = 125
_GRID_LESS = frozenset({"install over another"})
"""Stories that meet each status in another story already, at the same steps."""


def all_cells() -> list[Cell]:
    """Every cell that there is: named faults with both drivers, the grid of refusals with each in turn."""
    pairs = [(story, step) for story in STORIES for step in story.steps]
    named = [
        Cell(story, step, fault, awaited)
        for fault in named_faults()
        for story, step in pairs
        for awaited in (False, True)
        if befalls(fault, step)
    ]
    grid = [
        Cell(story, step, fault, awaited=bool(number % 2))
        for story, step in pairs
        if story.name not in _GRID_LESS
        for number, fault in enumerate(grid_faults())
        if befalls(fault, step)
    ]
    return named + grid


def sample(cells: Iterable[Cell], most: int) -> list[Cell]:
    """So many of them, always the same ones, with each step and each fault among them."""
    ordered = sorted(cells, key=lambda cell: hashlib.sha256(cell.name.encode()).digest())
    covered: set[str] = set()
    chosen: list[Cell] = []
    rest: list[Cell] = []
    for cell in ordered:
        (rest if cell.covers <= covered else chosen).append(cell)
        covered |= cell.covers
    return chosen + rest[: max(0, most - len(chosen))]


def played(cells: Iterable[Cell], folder: Path, sandbox: Sandbox) -> Iterator[tuple[Cell, Report]]:
    """Play cells, many at once."""
    cells = list(cells)
    with Gatehouse() as house, ThreadPoolExecutor(AT_ONCE) as pool, without_name_server():
        hand = Stagehand(house, sandbox, Homes(folder, sandbox), folder)
        numbered = enumerate(cells)
        yield from zip(cells, pool.map(lambda one: hand.play(one[0], one[1]), numbered), strict=True)


def main() -> int:
    """Play every cell and print what came of it; the exit code says whether all is as ruled."""
    for name in [name for name in os.environ if name.startswith("NIMBUS_")]:
        del os.environ[name]
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(wheel_dir=Path(folder) / "wheels", limits=UNLIMITED) as sandbox,
    ):
        reports = dict(played(all_cells(), Path(folder), sandbox))
    print(printed(reports, time.monotonic() - started))
    return 1 if any(report.wrong for report in reports.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
