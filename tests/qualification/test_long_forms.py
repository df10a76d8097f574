"""The long forms: every cell, every step, every refusal, all examples, and the benchmarks.

``python -m pytest -m qualification`` runs them, in about an hour. Each can be run alone as a program, which
prints its tables: ``python -m tests.qualification.kills``.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.examples import VARIABLE
from tests.support.fork_server import ROOT

HOURS = 3600
MODULES = (
    "matrix",
    "kills",
    "disk_faults",
    "crowds",
    "canaries",
    "sklearn_suite",
    "benchmarks",
    "benchmarks.decoding",
    "benchmarks.distinctness",
)


@pytest.mark.qualification
@pytest.mark.timeout(2 * HOURS)
@pytest.mark.parametrize("module", MODULES)
def test_the_long_form_finds_nothing_wrong(module: str) -> None:
    """The program ends with exit code 0: every case is as its rules say."""
    run("-m", f"tests.qualification.{module}")


@pytest.mark.qualification
@pytest.mark.timeout(HOURS)
def test_every_property_holds_for_all_examples() -> None:
    """The property tests, which try a part of their examples in the default run, pass with all of them."""
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "hypothesis", **{VARIABLE: "all"})


def run(*arguments: str, **environ: str) -> None:
    """Run Python with arguments, which must succeed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
