"""Ctrl-C and the interpreter's exit: immediate, with the old state, and with the partial download."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.qualification.crowds import count_requests
from tests.qualification.machines import NOTHING, Machine, Machines
from tests.qualification.test_crowds import wait_until
from tests.support.fork_server import ChildProcess, Outcome

pytestmark = pytest.mark.tiny_core

BLOCKING = "import sys, nimbus_sdk; nimbus_sdk.install_core(open(sys.argv[1]).read(), timeout=60)"
AWAITED = (
    "import asyncio, sys; from nimbus_sdk import aio; "
    "asyncio.run(aio.install_core(open(sys.argv[1]).read(), timeout=60))"
)
REPORTING = BLOCKING.replace("timeout=60", "progress=lambda event: print(event, flush=True), timeout=60")


@contextmanager
def running(machine: Machine, *command: str, **environ: str) -> Iterator[ChildProcess]:
    """Run what ``python`` runs with this command; what runs for too long is killed."""
    process = machine.start_python(command, environ)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def interrupt(process: ChildProcess) -> Outcome:
    """Send what Ctrl-C sends, and return the outcome; a process that it has ended counts as killed."""
    os.kill(process.pid, signal.SIGINT)
    return process.outcome()


def has_received(machine: Machine, size: int) -> Callable[[], bool]:
    """Return a function that says whether so many bytes of a download have arrived."""
    parts = machine.path / "nimbus" / "cache" / "downloads"
    return lambda: any(part.stat().st_size >= size for part in parts.glob("*.part"))


@pytest.mark.parametrize("code", [BLOCKING, AWAITED], ids=["blocking", "awaited"])
def test_ctrl_c_during_a_download_keeps_what_arrived(machines: Machines, machine: Machine, code: str) -> None:
    """The process ends at once, nothing is installed, and the next run requests only the rest."""
    machines.sandbox.publish("0.2.0", padding=400_000)
    machines.sandbox.fault("storage", drip=400_000)
    with running(machine, "-c", code, machines.key("one")) as process:
        wait_until(has_received(machine, 50_000), seconds=30)
        assert interrupt(process).killed
    assert "KeyboardInterrupt" in machine.output()
    assert machine.state() == NOTHING
    machines.sandbox.clear_faults()
    machines.sandbox.clear_journal()
    assert machine.run("install", key=machines.key("one")).error is None
    (resumed,) = (exchange.range for exchange in machines.sandbox.journal() if exchange.endpoint == "storage")
    assert int(str(resumed).removeprefix("bytes=").removesuffix("-")) >= 50_000


@pytest.mark.parametrize("code", [BLOCKING, AWAITED], ids=["blocking", "awaited"])
@pytest.mark.parametrize("endpoint", ["validate", "release"])
def test_ctrl_c_ends_a_wait_for_an_answer(
    machines: Machines, machine: Machine, code: str, endpoint: str
) -> None:
    """A service that does not answer cannot block Ctrl-C."""
    machines.sandbox.fault(endpoint, delay=60)
    with running(machine, "-c", code, machines.key("one")) as process:
        wait_until(lambda: endpoint in count_requests(machine), seconds=30)
        assert interrupt(process).killed
    assert machine.state() == NOTHING


def test_ctrl_c_ends_a_wait_for_another_process(machines: Machines, machine: Machine) -> None:
    """A process that waits for another's install can be interrupted; the install continues undisturbed."""
    machines.sandbox.fault("release", delay=60)
    with running(machine, "-c", BLOCKING, machines.key("one")) as holder:
        wait_until(lambda: "release" in count_requests(machine), seconds=30)
        with running(machine, "-c", REPORTING, machines.key("one")) as waiting:
            wait_until(lambda: "wait" in machine.output(), seconds=30)
            assert interrupt(waiting).killed
        os.kill(holder.pid, 0)
    assert count_requests(machine)["validate"] == 1


def test_ctrl_c_on_the_command_line_says_so(machines: Machines, machine: Machine) -> None:
    """``nimbus-sdk install`` ends with exit code 130 and a message, not with a traceback."""
    machines.sandbox.fault("github_token", delay=60)
    environ = {"NIMBUS_SDK_API_KEY_FILE": machines.key("one")}
    with running(machine, "-m", "nimbus_sdk", "install", **environ) as process:
        wait_until(lambda: "github_token" in count_requests(machine), seconds=30)
        assert interrupt(process).value == 130
    assert "Interrupted" in machine.output()
    assert "Traceback" not in machine.output()
    assert machine.state() == NOTHING


@pytest.mark.parametrize("fault", [{"delay": 60}, {"drip": 1.0}], ids=["no answer", "a drip"])
def test_a_request_that_timed_out_does_not_delay_the_exit(
    machines: Machines, machine: Machine, fault: dict[str, float]
) -> None:
    """After a timeout the program can end, although the response has not arrived."""
    machines.sandbox.fault("validate", **fault)  # type: ignore[arg-type]
    code = (
        "import sys, nimbus_sdk\n"
        "try: nimbus_sdk.authenticate(open(sys.argv[1]).read(), timeout=0.5)\n"
        "except nimbus_sdk.NimbusTimeoutError: sys.exit(7)"
    )
    with running(machine, "-c", code, machines.key("one")) as process:
        assert process.outcome().value == 7
