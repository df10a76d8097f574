"""Whatever the disk refuses, an install ends in words, and in the old state or the new one."""

from __future__ import annotations

from itertools import cycle

import pytest

from tests.end_to_end.disk_faults import CODES, disk_steps, refusals
from tests.end_to_end.kills import spread
from tests.end_to_end.scenarios import first_install, upgrade
from tests.end_to_end.worlds import Stage

REFUSALS_EACH = 24


@pytest.mark.parametrize("scene", [first_install, upgrade])
def test_a_refusing_disk_is_told_and_changes_nothing_by_halves(stage: Stage, scene) -> None:
    """ENOSPC, EROFS, EIO and EACCES at any step raise a NimbusError or nothing, and never leave a mixture.

    ``python -m tests.end_to_end.disk_faults`` does the same at every single step, with each of them.
    """
    scenario = scene(stage)
    cases = zip(spread(disk_steps(scenario), REFUSALS_EACH), cycle(CODES), strict=False)
    done = refusals(scenario, cases)
    assert [(refusal.struck, refusal.code, refusal.faults) for refusal in done if refusal.faults] == []
    assert sum(refusal.struck is not None for refusal in done) >= REFUSALS_EACH - 3
    assert sum(refusal.outcome.fault is not None for refusal in done) > REFUSALS_EACH / 2
