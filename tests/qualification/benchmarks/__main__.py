"""``python -m tests.qualification.benchmarks``: measure, print, and end with 1 where a promise is missed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.qualification.benchmarks import starts, transfer
from tests.qualification.benchmarks.measures import Verdict, table

MEBIBYTE = 2**20


def main() -> int:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m tests.qualification.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="of the starts (default: %(default)s)")
    parser.add_argument("--downloads", type=int, default=15, help="of the wheel (default: %(default)s)")
    parser.add_argument("--size", type=int, default=64, help="of the wheel, in MiB (default: %(default)s)")
    parser.add_argument("--only", choices=["starts", "transfer"], help="one of the two")
    chosen = parser.parse_args()
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as folder:
        if chosen.only != "transfer":
            verdicts += _starts(Path(folder), chosen.rounds)
        if chosen.only != "starts" and transfer.available():
            verdicts += _transfer(Path(folder), chosen.size * MEBIBYTE, chosen.downloads)
    return 0 if all(verdict.kept for verdict in verdicts) else 1


def _starts(folder: Path, rounds: int) -> list[Verdict]:
    processor, wall = starts.measured(starts.starts(folder), rounds)
    found = starts.verdicts(processor, *starts.again(folder))
    print(table(f"Fresh processes, in turns, {rounds} rounds, processor time", processor, above=processor[0]))
    print(table("The same, time on the wall", wall, above=wall[0]))
    print(*found, "", sep="\n")
    return found


def _transfer(folder: Path, size: int, rounds: int) -> list[Verdict]:
    outcome = transfer.measured(folder, size, rounds)
    found = outcome.verdicts()
    print(table(f"A wheel of {size / MEBIBYTE:.0f} MiB, in turns, {rounds} rounds", outcome.rows()))
    print(*found, "", sep="\n")
    return found


if __name__ == "__main__":
    sys.exit(main())
