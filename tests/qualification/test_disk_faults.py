"""Whatever the disk refuses, an install ends in words, and in the old state or the new one."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from itertools import count, cycle

import pytest

from tests.qualification.disk_faults import CODES, LASTING, disk_steps, refusals
from tests.qualification.kills import spread
from tests.qualification.nursery import Outcome
from tests.qualification.scenarios import first_install, upgrade
from tests.qualification.worlds import Stage, World

REFUSALS_EACH = 12


@pytest.mark.parametrize("scene", [first_install, upgrade])
def test_a_refusing_disk_is_told_and_changes_nothing_by_halves(stage: Stage, scene) -> None:
    """ENOSPC, EROFS, EIO and EACCES at any step raise a NimbusError or nothing, and never leave a mixture.

    ``python -m tests.qualification.disk_faults`` does the same at every single step, with each of them.
    """
    scenario = scene(stage)
    cases = zip(spread(disk_steps(scenario), REFUSALS_EACH), cycle(CODES), strict=False)
    done = refusals(scenario, cases)
    assert [(refusal.struck, refusal.code, refusal.faults) for refusal in done if refusal.faults] == []
    assert sum(refusal.struck is not None for refusal in done) >= REFUSALS_EACH - 3
    assert sum(refusal.outcome.fault is not None for refusal in done) > REFUSALS_EACH / 2


def refused(start: World, code: int, points: Iterable[int], **story: object) -> Iterator[Outcome]:
    """What a story gives where the disk refuses at one of these steps, each time in a copy of a world."""
    for at in points:
        world = start.stage.world(like=start)
        outcome = world.run("story", wire={"at": at, "errno": code, "lasting": code in LASTING}, **story)
        world.state()
        if world.struck() is None:
            return
        world.remove()
        yield outcome


@pytest.mark.parametrize(
    ("name", "key", "code", "every"),
    [
        ("authenticate", "new", errno.ENOSPC, 4),
        ("refresh_quota", None, errno.EIO, 3),
        ("revoke_api_key", "old", errno.EACCES, 4),
        ("save_api_key", "new", errno.EROFS, 2),
        ("delete_stored_api_key", None, errno.EIO, 2),
        ("invalidate_session", None, errno.EACCES, 1),
        ("uninstall_core", None, errno.EROFS, 9),
    ],
)
def test_no_story_ends_in_a_bare_error_of_the_disk(
    stage: Stage, name: str, key: str | None, code: int, every: int
) -> None:
    """Whatever the disk refuses of what is kept, every call says so in its own words, and damages nothing."""
    start = stage.world()
    assert start.run("install", key=stage.key("old")).fault is None
    stage.sandbox.fault("revoke", body={"revoked": True, "message": "done"}, times=None)
    named = {} if key is None else {"key": stage.key(key)}
    done = list(refused(start, code, count(0, every), name=name, **named))
    assert len(done) > 2
    # A key that is revoked is revoked, whatever the disk lets us clear of it.
    assert any(outcome.fault for outcome in done) == (name != "revoke_api_key")
    assert [outcome for outcome in done if outcome.fault and not outcome.expected] == []
