"""Whatever goes wrong at whichever request of whichever story, it ends as the rules say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.matrix import SAMPLE, all_cells, played, sample
from tests.qualification.matrix_play import Listening


@pytest.fixture
def listening() -> Iterator[Listening]:
    """Hears every logger at every level."""
    ear, root = Listening(), logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(ear)
    yield ear
    root.removeHandler(ear)
    root.setLevel(level)


def test_the_sample_meets_every_step_and_every_fault() -> None:
    """No step, no fault, no status and no code is left to the long form alone."""
    cells = all_cells()
    chosen = sample(cells, SAMPLE)
    assert len(chosen) == SAMPLE
    assert set().union(*(cell.covers for cell in chosen)) == set().union(*(cell.covers for cell in cells))


def test_a_faulty_network_is_met_as_ruled(tmp_path: Path, sandbox: Sandbox, listening: Listening) -> None:
    """The right error or the right recovery, requests and seconds within bounds, the old state or the new.

    No key and no token is in what was said, logged or kept, and without the fault a second run succeeds.
    ``python -m tests.qualification.matrix`` does the same in every cell.
    """
    cells = sample(all_cells(), SAMPLE)
    reports = dict(played(cells, tmp_path, sandbox))
    assert {cell.name: report.wrong for cell, report in reports.items() if report.wrong} == {}
    assert listening.caught == []
    assert listening.heard > len(cells)
