"""The benchmarks still run; nothing is judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.qualification.benchmarks import starts, transfer
from tests.qualification.benchmarks.measures import Row, Verdict, table


def test_a_start_is_measured(tmp_path: Path) -> None:
    """Both clocks give a figure for the import, and for the interpreter alone."""
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(starts._ROOT)}
    programs = [
        starts.Start(starts.BARE, "pass", home),
        starts.Start(starts.IMPORT, "import nimbus_sdk", home),
    ]
    processor, wall = starts.measured(programs, rounds=1)
    assert [row.name for row in processor] == [row.name for row in wall] == [starts.BARE, starts.IMPORT]
    assert all(row.median > 0 for row in processor + wall)


@pytest.mark.qualification
def test_starts_are_measured_and_judged(tmp_path: Path) -> None:
    """Every program runs, and each promise gets its figure."""
    programs = starts.starts(tmp_path)
    ours = [program for program in programs if "session" in program.name or "nimbus" in program.name]
    processor, wall = starts.measured([programs[0], *ours], rounds=1)
    assert [row.name for row in processor] == [row.name for row in wall]
    assert all(row.median > 0 for row in processor + wall)
    found = starts.verdicts(processor, *starts.again(tmp_path))
    assert [verdict.promise for verdict in found] == [
        "import, above bare Python",
        "second current_session()",
        "a license gate, at each call",
    ]
    assert starts.BARE in table("Starts", processor, above=processor[0])


def test_a_download_is_judged_by_its_rate_and_its_memory() -> None:
    """Both promises get their figure from what was measured."""
    rates = [Row(name, (100.0,), "MiB/s") for name in (transfer.OURS, transfer.THEIRS)]
    outcome = transfer.Outcome(rates[0], rates[1], Row("memory", (1.0,), "MiB"))
    assert [verdict.kept for verdict in outcome.verdicts()] == [True, True]


@pytest.mark.qualification
@pytest.mark.skipif(not transfer.available(), reason="curl or openssl is not installed")
def test_a_download_is_measured_and_judged(tmp_path: Path) -> None:
    """A small wheel is fetched by both, and both promises get their figure."""
    outcome = transfer.measured(tmp_path, size=2**16, rounds=1)
    assert all(row.median > 0 for row in outcome.rows())
    assert len(outcome.verdicts()) == 2


def test_verdicts_know_their_side() -> None:
    """A cost may be as high as its limit, a rate as low."""
    assert Verdict("cost", 1.0, 1.0, "ms").kept
    assert not Verdict("cost", 1.1, 1.0, "ms").kept
    assert Verdict("rate", 0.9, 0.9, "", at_least=True).kept
    assert "MISSED" in str(Verdict("rate", 0.8, 0.9, "", at_least=True))
    assert Row("x", (3.0, 1.0, 2.0), "ms").median == 2.0
