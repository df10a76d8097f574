"""The benchmark of calls still runs; nothing is judged here."""

from __future__ import annotations

import pytest

from tests.qualification.benchmarks import calls

pytestmark = pytest.mark.qualification


def test_calls_are_measured_and_judged() -> None:
    """Each way of calling gets its rates, and each promise its figure."""
    with calls.server() as url:
        outcome = calls.measured(url, turns=1, calls=calls.CROWD, many=calls.CROWD)
    assert list(outcome.rates) == [calls.ONE_THREAD, calls.THREADS, calls.TASKS]
    assert all(outcome.ratio(mode) > 0 for mode in outcome.rates)
    assert len(outcome.verdicts()) == 4
    assert outcome.table().count("\n") == 4
