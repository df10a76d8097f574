"""Ctrl-C and the interpreter's exit: at once, with the old state, and with what was fetched kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.qualification.crowds import asked
from tests.qualification.test_crowds import wait_until
from tests.qualification.worlds import NOTHING, Stage, World

PATIENCE = 8.0
"""Seconds in which a process must be gone; far less than any fault of these tests lasts."""

BLOCKING = "import sys, nimbus_sdk; nimbus_sdk.install_core(open(sys.argv[1]).read(), timeout=60)"
AWAITED = (
    "import asyncio, sys; from nimbus_sdk import aio; "
    "asyncio.run(aio.install_core(open(sys.argv[1]).read(), timeout=60))"
)


@contextmanager
def running(world: World, *command: str, given: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A fresh interpreter at work; killed in the end if it is still there."""
    with open(world.path / "stderr.txt", "ab") as err:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=world.path / "work",
            env=world.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    try:
        assert process.stdin is not None
        if given is not None:
            process.stdin.write(given.encode())
        process.stdin.close()
        yield process
    finally:
        process.kill()
        process.wait()


def interrupted(process: subprocess.Popen[bytes]) -> int:
    """Press Ctrl-C, and give the exit code."""
    process.send_signal(signal.SIGINT)
    return process.wait(PATIENCE)


def part_of(world: World, size: int) -> Callable[[], bool]:
    """Whether so many bytes of a download are there."""
    parts = world.path / "nimbus" / "cache" / "downloads"
    return lambda: any(part.stat().st_size >= size for part in parts.glob("*.part"))


@pytest.mark.parametrize("code", [BLOCKING, AWAITED], ids=["blocking", "awaited"])
def test_ctrl_c_during_a_download_keeps_what_arrived(stage: Stage, world: World, code: str) -> None:
    """The process ends at once, nothing is installed, and the next run asks for the rest alone."""
    stage.sandbox.publish("0.2.0", padding=400_000)
    stage.sandbox.fault("storage", drip=400_000)
    with running(world, "-c", code, stage.key("one")) as process:
        wait_until(part_of(world, 50_000), seconds=30)
        assert interrupted(process) == -signal.SIGINT
    assert "KeyboardInterrupt" in world.said()
    assert world.state() == NOTHING
    stage.sandbox.clear_faults()
    stage.sandbox.clear_journal()
    assert world.run("install", key=stage.key("one")).fault is None
    (resumed,) = (exchange.range for exchange in stage.sandbox.journal() if exchange.endpoint == "storage")
    assert int(str(resumed).removeprefix("bytes=").removesuffix("-")) >= 50_000


@pytest.mark.parametrize("code", [BLOCKING, AWAITED], ids=["blocking", "awaited"])
@pytest.mark.parametrize("endpoint", ["validate", "release"])
def test_ctrl_c_ends_a_wait_for_an_answer(stage: Stage, world: World, code: str, endpoint: str) -> None:
    """A service that does not answer cannot hold the person at the keyboard."""
    stage.sandbox.fault(endpoint, delay=60)
    with running(world, "-c", code, stage.key("one")) as process:
        wait_until(lambda: endpoint in asked(world), seconds=30)
        assert interrupted(process) == -signal.SIGINT
    assert world.state() == NOTHING


def test_ctrl_c_ends_a_wait_for_another_process(stage: Stage, world: World) -> None:
    """Whoever waits for an install elsewhere can go; the install goes on, and is not disturbed."""
    stage.sandbox.fault("release", delay=60)
    with running(world, "-c", BLOCKING, stage.key("one")) as holder:
        wait_until(lambda: "release" in asked(world), seconds=30)
        with running(world, "-X", "importtime", "-c", BLOCKING, stage.key("one")) as waiting:
            wait_until(lambda: "filelock" in world.said(), seconds=30)
            time.sleep(0.3)
            assert interrupted(waiting) == -signal.SIGINT
        assert holder.poll() is None
    assert asked(world)["validate"] == 1


def test_ctrl_c_on_the_command_line_says_so(stage: Stage, world: World) -> None:
    """``nimbus-sdk install`` ends with exit code 130 and a word, not with a traceback."""
    stage.sandbox.fault("github_token", delay=60)
    stage.key("one")
    command = ("-m", "nimbus_sdk", "install", "--key-stdin")
    with running(world, *command, given=stage.keys["one"]) as process:
        wait_until(lambda: "github_token" in asked(world), seconds=30)
        assert interrupted(process) == 130
    assert "Interrupted" in world.said()
    assert "Traceback" not in world.said()
    assert world.state() == NOTHING


@pytest.mark.parametrize("fault", [{"delay": 60}, {"drip": 1.0}], ids=["no answer", "a drip"])
def test_what_was_given_up_does_not_hold_up_the_exit(
    stage: Stage, world: World, fault: dict[str, float]
) -> None:
    """After a timeout the program can end, although the answer is still on its way."""
    stage.sandbox.fault("validate", **fault)  # type: ignore[arg-type]
    code = (
        "import sys, nimbus_sdk\n"
        "try: nimbus_sdk.authenticate(open(sys.argv[1]).read(), timeout=0.5)\n"
        "except nimbus_sdk.NimbusTimeoutError: sys.exit(7)"
    )
    with running(world, "-c", code, stage.key("one")) as process:
        assert process.wait(PATIENCE) == 7
