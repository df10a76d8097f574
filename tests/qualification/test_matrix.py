"""Whatever goes wrong at any request of any use case, it ends as the rules say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.matrix import PART, SAMPLE, all_cells, run_cells, sample
from tests.qualification.matrix_runner import LogCapture

PADDING = 120_000
"""Makes the wheel large enough for a download that is in several parts."""


@pytest.fixture
def log_capture() -> Iterator[LogCapture]:
    """Receives the records of every logger at every level."""
    handler, root = LogCapture(), logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_the_sample_contains_every_step_and_every_fault() -> None:
    """Every step, fault, status and code is in the sample, and not in the long form alone."""
    cells = all_cells()
    chosen = sample(cells, SAMPLE)
    assert len(chosen) == SAMPLE
    assert set().union(*(cell.covers for cell in chosen)) == set().union(*(cell.covers for cell in cells))


@pytest.mark.tiny_core
@pytest.mark.parametrize("most", [PART, pytest.param(SAMPLE, marks=pytest.mark.qualification)])
def test_every_network_fault_ends_as_the_rules_say(
    tmp_path: Path, sandbox: Sandbox, log_capture: LogCapture, most: int
) -> None:
    """The right error or recovery, requests within bounds, the old state or the new.

    No key and no token is in messages, logs or files, and without the fault a second run succeeds.
    ``python -m tests.qualification.matrix`` does the same in every cell.
    """
    sandbox.publish("0.1.0", padding=PADDING)
    cells = sample(all_cells(), SAMPLE)[:most]
    reports = dict(run_cells(cells, tmp_path, sandbox))
    assert {cell.name: report.wrong for cell, report in reports.items() if report.wrong} == {}
    assert log_capture.with_secret == []
    assert log_capture.count > len(cells)
