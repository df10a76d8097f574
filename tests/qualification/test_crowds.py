"""Many processes, threads and tasks of one machine share one install, and one refresh."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.qualification.crowds import ONE_INSTALL, ONE_REFRESH, asked, crowd, problems
from tests.qualification.worlds import Stage, State, World

MANY = 20
SOME = 8


def expected_state(stage: Stage) -> State:
    """What everyone is to leave behind."""
    return State(stage.fingerprint("one"), "0.1.0", stage.fingerprint("one"))


def test_many_processes_share_one_install(stage: Stage, world: World) -> None:
    """Twenty first installs at once: all succeed, and together they ask what one alone asks."""
    outcomes = crowd(world, MANY, key=stage.key("one"))
    assert problems(outcomes, stage.fingerprint("one")) == []
    assert asked(world) == ONE_INSTALL
    assert world.state() == expected_state(stage)


@pytest.mark.parametrize("errand", ["in_threads", "in_tasks"])
def test_many_callers_in_one_process_share_one_install(stage: Stage, world: World, errand: str) -> None:
    """Twenty threads, or twenty tasks of one loop: all get the session of one install."""
    outcome = world.run(errand, key=stage.key("one"), number=MANY)
    assert outcome.value == [stage.fingerprint("one")] * MANY, world.said()
    assert asked(world) == ONE_INSTALL
    assert world.state() == expected_state(stage)


def test_many_processes_share_one_refresh(stage: Stage, world: World) -> None:
    """Twenty starts with a session of two hours ago: one asks, and the others use its answer."""
    assert world.run("install", key=stage.key("one")).fault is None
    assert world.run("age", hours=2).fault is None
    stage.sandbox.clear_journal()
    outcomes = crowd(world, MANY)
    assert problems(outcomes, stage.fingerprint("one")) == []
    assert asked(world) == ONE_REFRESH


def test_the_rest_go_on_when_the_one_at_work_is_killed(stage: Stage, world: World) -> None:
    """A holder of the lock that dies frees it, and one of those who wait does the work."""
    stage.sandbox.fault("release", delay=30)
    holder = world.start("install", key=stage.key("one"))
    wait_until(lambda: "release" in asked(world))
    lives = [world.start("install", key=stage.key("one")) for _ in range(5)]
    os.kill(holder.pid, signal.SIGKILL)
    assert holder.outcome().killed
    assert problems([life.outcome() for life in lives], stage.fingerprint("one")) == []
    assert asked(world) == {**ONE_INSTALL, "validate": 2, "github_token": 2, "release": 2}
    assert world.state() == expected_state(stage)


@pytest.mark.parametrize("how", ["void", "missing"])
def test_without_working_locks_only_work_is_done_twice(stage: Stage, world: World, how: str) -> None:
    """Where flock does nothing, or is not there (ENOSYS), all succeed, and nothing is damaged."""
    outcomes = crowd(world, SOME, "without_locks", key=stage.key("one"), how=how)
    assert problems(outcomes, stage.fingerprint("one")) == [], world.said()
    assert asked(world)["validate"] > 1
    assert world.state() == expected_state(stage)
    assert problems(crowd(world, 1, key=stage.key("one")), stage.fingerprint("one")) == []


def test_without_working_locks_upgrades_at_once_damage_nothing(stage: Stage, world: World) -> None:
    """Forced upgrades that do not see each other leave the new core, whole, with its session."""
    assert world.run("install", key=stage.key("one")).fault is None
    stage.sandbox.publish("0.2.0")
    outcomes = crowd(world, SOME, "without_locks", key=stage.key("one"), how="void", force=True)
    assert problems(outcomes, stage.fingerprint("one")) == [], world.said()
    assert world.state() == State(stage.fingerprint("one"), "0.2.0", stage.fingerprint("one"))


def wait_until(true, seconds: float = 10.0) -> None:
    """Wait for something that another process is about to do."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
