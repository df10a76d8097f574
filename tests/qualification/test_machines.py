"""The machines of the long forms, which run outside of pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.qualification import canaries
from tests.qualification.canaries import Canary
from tests.qualification.machines import NOTHING, Machine, machines_in

pytestmark = pytest.mark.tiny_core


def test_the_long_forms_can_start(tmp_path: Path, wheel_dir: Path) -> None:
    """A task and a canary run on a machine that has no fixture of pytest."""
    with machines_in(tmp_path, wheel_dir) as machines:
        machine = machines.create()
        assert machine.state() == NOTHING
        with Canary(machine, {"good": machines.sandbox.new_key("research")}) as canary:
            assert canary.run("stored", key="good") is False


def test_a_canary_that_cannot_start_says_why(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of its process is in the error of the test."""
    monkeypatch.setattr(canaries, "RUN_PYTHON", "tests.support.not_loaded:run_python")
    with pytest.raises(AssertionError, match=r"(?s)at its start.*KeyError: .tests\.support\.not_loaded"):
        Canary(machine, {})
