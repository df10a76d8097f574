"""An install that is killed at any step leaves the old state or the new one."""

from __future__ import annotations

import pytest

from tests.qualification.kills import kills, spread
from tests.qualification.machines import Machines
from tests.qualification.scenarios import first_install, upgrade

pytestmark = pytest.mark.tiny_core

KILLS_EACH = 8


@pytest.mark.parametrize("make_scenario", [first_install, upgrade])
def test_a_killed_install_leaves_the_old_state_or_the_new_one(machines: Machines, make_scenario) -> None:
    """After kill -9 at any step a new process finds a consistent state, and running it again succeeds.

    ``python -m tests.qualification.kills`` does the same at every single step.
    """
    scenario = make_scenario(machines)
    done = kills(scenario, spread(len(scenario.steps), KILLS_EACH))
    assert [(kill.hit_step, kill.problems) for kill in done if kill.problems] == []
    assert sum(kill.hit_step is not None for kill in done) >= KILLS_EACH - 3
    assert {kill.found.core for kill in done} == {scenario.old.core, scenario.new.core}
