"""Many processes, threads and tasks of one machine share one install, and one refresh."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.qualification.crowds import ONE_INSTALL, ONE_REFRESH, count_requests, crowd, problems
from tests.qualification.machines import Machine, Machines, State

pytestmark = pytest.mark.tiny_core

MANY = 20
SOME = 8


def expected_state(machines: Machines) -> State:
    """Return the state that all of them must leave."""
    return State(machines.fingerprint("one"), "0.1.0", machines.fingerprint("one"))


def test_many_processes_share_one_install(machines: Machines, machine: Machine) -> None:
    """Twenty first installs at once: all succeed, and together they send the requests of one."""
    outcomes = crowd(machine, MANY, key=machines.key("one"))
    assert problems(outcomes, machines.fingerprint("one")) == []
    assert count_requests(machine) == ONE_INSTALL
    assert machine.state() == expected_state(machines)


@pytest.mark.parametrize("task", ["install_in_threads", "install_in_tasks"])
def test_many_callers_in_one_process_share_one_install(
    machines: Machines, machine: Machine, task: str
) -> None:
    """Twenty threads, or twenty tasks of one loop: all get the session of one install."""
    outcome = machine.run(task, key=machines.key("one"), number=MANY)
    assert outcome.value == [machines.fingerprint("one")] * MANY, machine.output()
    assert count_requests(machine) == ONE_INSTALL
    assert machine.state() == expected_state(machines)


def test_many_processes_share_one_refresh(machines: Machines, machine: Machine) -> None:
    """Twenty starts with a session of two hours ago: one sends a request, and the others use its response."""
    assert machine.run("install", key=machines.key("one")).error is None
    assert machine.run("age_session", hours=2).error is None
    machines.sandbox.clear_journal()
    outcomes = crowd(machine, MANY)
    assert problems(outcomes, machines.fingerprint("one")) == []
    assert count_requests(machine) == ONE_REFRESH


def test_waiting_processes_continue_when_the_installing_one_is_killed(
    machines: Machines, machine: Machine
) -> None:
    """A process that dies releases its lock, and one of those that wait does the install."""
    machines.sandbox.fault("release", delay=30)
    holder = machine.start("install", key=machines.key("one"))
    wait_until(lambda: "release" in count_requests(machine))
    children = [machine.start("install", key=machines.key("one")) for _ in range(5)]
    os.kill(holder.pid, signal.SIGKILL)
    assert holder.outcome().killed
    assert problems([child.outcome() for child in children], machines.fingerprint("one")) == []
    assert count_requests(machine) == {**ONE_INSTALL, "validate": 2, "github_token": 2, "release": 2}
    assert machine.state() == expected_state(machines)


@pytest.mark.parametrize("how", ["void", "missing"])
def test_without_working_locks_the_work_is_only_repeated(
    machines: Machines, machine: Machine, how: str
) -> None:
    """If flock does nothing, or does not exist (ENOSYS), all succeed, and nothing is damaged."""
    outcomes = crowd(machine, SOME, "install_without_locks", key=machines.key("one"), how=how)
    assert problems(outcomes, machines.fingerprint("one")) == [], machine.output()
    assert count_requests(machine)["validate"] > 1
    assert machine.state() == expected_state(machines)
    assert problems(crowd(machine, 1, key=machines.key("one")), machines.fingerprint("one")) == []


def test_without_working_locks_upgrades_at_once_damage_nothing(machines: Machines, machine: Machine) -> None:
    """Forced upgrades without a common lock leave the new core, undamaged, with its session."""
    assert machine.run("install", key=machines.key("one")).error is None
    machines.sandbox.publish("0.2.0")
    outcomes = crowd(machine, SOME, "install_without_locks", key=machines.key("one"), how="void", force=True)
    assert problems(outcomes, machines.fingerprint("one")) == [], machine.output()
    assert machine.state() == State(machines.fingerprint("one"), "0.2.0", machines.fingerprint("one"))


def wait_until(is_done: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until another process has done something."""
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end
        time.sleep(0.01)
