"""Whatever the disk refuses, an install ends with a clear error, and in the old state or the new one."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from itertools import count, cycle

import pytest

from tests.qualification.disk_faults import CODES, LASTING, disk_steps, refusals
from tests.qualification.kills import spread
from tests.qualification.machines import Machine, Machines
from tests.qualification.scenarios import first_install, upgrade
from tests.support.fork_server import Outcome

pytestmark = pytest.mark.tiny_core

REFUSALS_EACH = 8


@pytest.mark.parametrize("make_scenario", [first_install, upgrade])
def test_a_refusing_disk_is_reported_and_leaves_no_mixed_state(machines: Machines, make_scenario) -> None:
    """ENOSPC, EROFS, EIO and EACCES at any step raise a NimbusError or nothing, and never leave a mixture.

    ``python -m tests.qualification.disk_faults`` does the same at every single step, with each of them.
    """
    scenario = make_scenario(machines)
    cases = zip(spread(disk_steps(scenario), REFUSALS_EACH), cycle(CODES), strict=False)
    done = refusals(scenario, cases)
    assert [(refusal.hit_step, refusal.code, refusal.problems) for refusal in done if refusal.problems] == []
    assert sum(refusal.hit_step is not None for refusal in done) >= REFUSALS_EACH - 3
    assert sum(refusal.outcome.error is not None for refusal in done) > REFUSALS_EACH / 2


def outcomes_of_refusals(
    start: Machine, code: int, points: Iterable[int], **call: object
) -> Iterator[Outcome]:
    """Yield the outcome of a call for a refusal at each of these steps, each on a copy of a machine."""
    for at in points:
        machine = start.machines.create(copy_of=start)
        outcome = machine.run(
            "call_function", fault_point={"at": at, "errno": code, "lasting": code in LASTING}, **call
        )
        machine.state()
        if machine.hit_step() is None:
            return
        machine.remove()
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
def test_no_call_ends_in_a_bare_error_of_the_disk(
    machines: Machines, name: str, key: str | None, code: int, every: int
) -> None:
    """Whatever the disk refuses of what is kept, every call says so in its own words, and damages nothing."""
    start = machines.create()
    assert start.run("install", key=machines.key("old")).error is None
    machines.sandbox.fault("revoke", body={"revoked": True, "message": "done"}, times=None)
    named = {} if key is None else {"key": machines.key(key)}
    done = list(outcomes_of_refusals(start, code, count(0, every), name=name, **named))
    assert len(done) > 2
    # A key that is revoked is revoked, whatever the disk lets us clear of it.
    assert any(outcome.error for outcome in done) == (name != "revoke_api_key")
    assert [outcome for outcome in done if outcome.error and not outcome.expected] == []
