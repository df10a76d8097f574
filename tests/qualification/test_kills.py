"""Killed at any step, an install leaves what was there before or all that is new."""

from __future__ import annotations

import pytest

from tests.qualification.kills import kills, spread
from tests.qualification.scenarios import first_install, upgrade
from tests.qualification.worlds import Stage

KILLS_EACH = 12


@pytest.mark.parametrize("scene", [first_install, upgrade])
def test_a_killed_install_leaves_the_old_state_or_the_new_one(stage: Stage, scene) -> None:
    """After kill -9 at any step a later process finds one state, whole, and running it again succeeds.

    ``python -m tests.qualification.kills`` does the same at every single step.
    """
    scenario = scene(stage)
    done = kills(scenario, spread(len(scenario.steps), KILLS_EACH))
    assert [(kill.struck, kill.faults) for kill in done if kill.faults] == []
    assert sum(kill.struck is not None for kill in done) >= KILLS_EACH - 3
    assert {kill.found.core for kill in done} == {scenario.old.core, scenario.new.core}
