"""Every network fault at every request of every use case: ``python -m tests.qualification.matrix``."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.faulty_proxy import ProxyThread
from tests.qualification.machines import UNLIMITED
from tests.qualification.matrix_rules import applies_to
from tests.qualification.matrix_runner import CellRunner, Report
from tests.qualification.matrix_table import format_report
from tests.qualification.matrix_transport import Cell, without_name_server
from tests.qualification.matrix_use_cases import USE_CASES, Homes
from tests.qualification.wire_faults import grid_faults, named_faults

PARALLEL = 12
SAMPLE = 125
"""So many cells have every step and every fault among them."""

PART = 24
"""So many of them are run by default."""

_WITHOUT_GRID = frozenset({"install over another"})
"""Use cases whose steps meet each status in another use case already."""


def all_cells() -> list[Cell]:
    """Return every cell: named faults with both drivers, the grid of statuses with each driver in turn."""
    pairs = [(use_case, step) for use_case in USE_CASES for step in use_case.steps]
    named = [
        Cell(use_case, step, fault, awaited)
        for fault in named_faults()
        for use_case, step in pairs
        for awaited in (False, True)
        if applies_to(fault, step)
    ]
    grid = [
        Cell(use_case, step, fault, awaited=bool(number % 2))
        for use_case, step in pairs
        if use_case.name not in _WITHOUT_GRID
        for number, fault in enumerate(grid_faults())
        if applies_to(fault, step)
    ]
    return named + grid


def sample(cells: Iterable[Cell], most: int) -> list[Cell]:
    """Return so many of the cells, always the same ones, with each step and each fault among them."""
    ordered = sorted(cells, key=lambda cell: hashlib.sha256(cell.name.encode()).digest())
    covered: set[str] = set()
    chosen: list[Cell] = []
    rest: list[Cell] = []
    for cell in ordered:
        (rest if cell.covers <= covered else chosen).append(cell)
        covered |= cell.covers
    return chosen + rest[: max(0, most - len(chosen))]


def run_cells(cells: Iterable[Cell], folder: Path, sandbox: Sandbox) -> Iterator[tuple[Cell, Report]]:
    """Run cells, many at once."""
    cells = list(cells)
    with ProxyThread() as thread, ThreadPoolExecutor(PARALLEL) as pool, without_name_server():
        runner = CellRunner(thread, sandbox, Homes(folder, sandbox), folder)
        numbered = enumerate(cells)
        yield from zip(cells, pool.map(lambda item: runner.run(*item), numbered), strict=True)


def main() -> int:
    """Run every cell and print the results; return the exit code."""
    for name in [name for name in os.environ if name.startswith("NIMBUS_")]:
        del os.environ[name]
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(wheel_dir=Path(folder) / "wheels", limits=UNLIMITED) as sandbox,
    ):
        cells, reports = all_cells(), {}
        for cell, report in run_cells(cells, Path(folder), sandbox):
            reports[cell] = report
            if report.wrong or len(reports) % 500 == 0:
                wrong = "; ".join(report.wrong) or "as its rules say"
                print(f"{len(reports)} of {len(cells)}: {cell.name}: {wrong}", file=sys.stderr, flush=True)
    print(format_report(reports, time.monotonic() - started))
    return 1 if any(report.wrong or report.is_too_slow for report in reports.values()) else 0


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m tests.qualification.matrix", description=__doc__).parse_args()
    sys.exit(main())
