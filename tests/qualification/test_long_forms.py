"""The long forms: every cell, every step, every refusal, and the benchmarks.

``python -m pytest -m qualification`` runs them, in about an hour. Each can be run alone as a program, which
prints its tables: ``python -m tests.qualification.kills``.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.fork_server import ROOT

HOURS = 3600
MODULES = ("matrix", "kills", "disk_faults", "crowds", "canaries", "benchmarks")


@pytest.mark.qualification
@pytest.mark.timeout(2 * HOURS)
@pytest.mark.parametrize("module", MODULES)
def test_the_long_form_finds_nothing_wrong(module: str) -> None:
    """The program ends with exit code 0: every case is as its rules say."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.qualification.{module}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
