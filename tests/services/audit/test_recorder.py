"""The audit trail of interrupted calls: Ctrl-C, cancelled tasks, no free thread."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.services.audit.verify import NO_OUTCOME, latest, verify
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport import threads
from nimbus_sdk.transport.flow import Response
from tests.services.audit.test_trail import lines
from tests.services.conftest import NIMBUS_OS_KEY
from tests.support.forked import RUN_PYTHON

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(paths) -> Path:
    """Where the trail is."""
    return Path(paths.audit)


class Answering:
    """A transport that responds, and has Ctrl-C pressed a moment later."""

    def __init__(self, *, pressed_after: float = 0, before: Callable[[], object] = int) -> None:
        self.sent = 0
        self._pressed_after = pressed_after
        self._before = before

    def send(self, call, deadline):
        """Respond."""
        self.sent += 1
        self._before()
        signal.setitimer(signal.ITIMER_REAL, self._pressed_after)
        return Response(status=200, headers={}, body=b"{}")

    def close(self):
        """Nothing is open."""


@pytest.fixture
def lock(folder) -> Iterator[Lock]:
    """The trail's lock, as another process takes it."""
    folder.mkdir(parents=True)
    with Lock(str(folder / "nimbus-os.lock")) as lock:
        yield lock


def wait_for_lines(folder: Path, number: int) -> list[dict]:
    """The entries, once there are so many."""
    for _ in range(2000):
        if (folder / "nimbus-os.jsonl").exists() and len(lines(folder)) >= number:
            break
        time.sleep(0.01)
    return lines(folder)


def outcomes(folder: Path) -> list[tuple[int, str, int | None]]:
    """The outcomes that were recorded: of which call, what, with which status."""
    return [(line["call"], line["result"], line["status"]) for line in lines(folder) if "call" in line]


def test_ctrl_c_while_the_outcome_waits_for_the_lock_loses_nothing(folder, paths, lock):
    """The call was made, so its outcome is written once the lock is free, with the status that came."""
    transport = Answering(pressed_after=0.2, before=lock.try_acquire)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with (
            services.NimbusOS(NIMBUS_OS_KEY, transport=transport) as client,
            pytest.raises(KeyboardInterrupt),
        ):
            client.request("POST", "/orders", json={"item": "gel"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert transport.sent == 1
    assert outcomes(folder) == []
    lock.release()
    wait_for_lines(folder, 2)
    assert outcomes(folder) == [(1, "answered", 200)]
    assert verify(paths, "nimbus-os")


def test_ctrl_c_does_not_end_a_program_before_its_outcome_is_written(folder, lock):
    """A process that was interrupted ends after its outcome is written."""
    code = """
import signal, sys
from nimbus_sdk.services import NimbusOS
from nimbus_sdk.transport.flow import Response
signal.signal(signal.SIGALRM, signal.default_int_handler)
class Answering:
    def send(self, call, deadline):
        print("sent", flush=True)
        sys.stdin.readline()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        return Response(status=200, headers={}, body=b"{}")
client = NimbusOS("sk_test_abc123xyz789def456ghi", transport=Answering())
client.request("POST", "/orders")
"""
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    program = subprocess.Popen(command, cwd=ROOT, **pipes)  # type: ignore[call-overload]
    program.stdout.readline()
    assert lock.try_acquire()
    program.stdin.write(b"locked\n")
    program.stdin.flush()
    for line in program.stderr:
        if b"KeyboardInterrupt" in line:
            break
    lock.release()
    assert program.communicate(timeout=20)
    assert outcomes(folder) == [(1, "answered", 200)]


def test_a_call_that_is_cancelled_while_all_threads_are_busy_is_recorded(folder, monkeypatch):
    """Its response came, and no thread of the event loop was free to record it."""
    monkeypatch.setattr(threads, "MOST_THREADS", 1)

    class Busy:
        answered = False

        async def send(self, call, deadline):
            self.work = asyncio.create_task(threads.run_in_thread(lambda: time.sleep(1.0)))
            await asyncio.sleep(0.05)
            self.answered = True
            return Response(status=200, headers={}, body=b"{}")

        async def aclose(self):
            pass

    async def main() -> None:
        busy = Busy()
        client = services.AsyncNimbusOS(NIMBUS_OS_KEY, transport=busy)
        task = asyncio.create_task(client.request("GET", "/orders"))
        while not busy.answered:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await busy.work

    asyncio.run(main())
    assert outcomes(folder) == [(1, "answered", 200)]


def test_a_cancelled_call_does_not_block_the_event_loop(folder, lock):
    """Others continue while the outcome waits for the lock."""

    class Silent:
        asked = False

        async def send(self, call, deadline):
            self.asked = lock.try_acquire()
            await asyncio.sleep(20)

        async def aclose(self):
            pass

    async def main() -> None:
        silent = Silent()
        client = services.AsyncNimbusOS(NIMBUS_OS_KEY, transport=silent)
        task = asyncio.create_task(client.request("GET", "/orders"))
        while not silent.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)

    asyncio.run(main())
    # The loop has gone on and ended, and the outcome still waits for the lock.
    assert outcomes(folder) == []
    lock.release()
    wait_for_lines(folder, 2)
    assert outcomes(folder) == [(1, "no response", None)]


def test_a_call_that_is_cancelled_before_it_was_sent_says_so(folder, paths, lock):
    """Its entry waited for the lock; it is whole, and nothing was sent."""
    transport = Answering()

    async def main() -> None:
        client = services.AsyncNimbusOS(NIMBUS_OS_KEY, transport=transport)
        assert lock.try_acquire()
        task = asyncio.create_task(client.request("GET", "/orders"))
        await asyncio.sleep(0.1)
        task.cancel()
        asyncio.get_running_loop().call_later(0.1, lock.release)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    wait_for_lines(folder, 2)
    assert transport.sent == 0
    assert outcomes(folder) == [(1, "not sent", None)]
    assert verify(paths, "nimbus-os").calls == 1


def test_without_a_free_thread_the_outcome_is_written_all_the_same(folder, monkeypatch):
    """An interpreter that is ending starts none."""

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with services.NimbusOS(NIMBUS_OS_KEY, transport=Answering()) as client:
        monkeypatch.setattr(threading.Thread, "start", none_left)
        client.request("GET", "/orders")
    assert outcomes(folder) == [(1, "answered", 200)]


KILLED = """
import asyncio, sys, threading
from nimbus_sdk.services import AsyncNimbusOS, NimbusOS
kind, url, key = sys.argv[1:]
async def main():
    async with AsyncNimbusOS(key, base_url=url) as client:
        await asyncio.gather(*(client.request("GET", f"/patients/{n}") for n in range(3)))
def blocking():
    with NimbusOS(key, base_url=url) as client:
        threads = [threading.Thread(target=client.request, args=("GET", f"/patients/{n}")) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
asyncio.run(main()) if kind == "awaitable" else blocking()
"""


@pytest.mark.parametrize(
    ("kind", "number"),
    [("blocking", signal.SIGTERM), ("awaitable", signal.SIGHUP), ("awaitable", signal.SIGKILL)],
)
def test_a_process_that_is_killed_has_left_the_entries_of_its_calls(
    box, folder, paths, fork_server, kind, number
):
    """The first calls of all, three at once, in the middle: the trail is whole, and they have no outcome."""
    box.fault("nimbus_os", delay=20.0, times=None)
    child = fork_server.start(
        RUN_PYTHON,
        environ=os.environ,
        folder=ROOT,
        descriptors=[],
        arguments=["-c", KILLED, kind, box.nimbus_os_url(), box.new_nimbus_os_key()],
    )
    while len(box.journal()) < 3:
        time.sleep(0.01)
    os.kill(child.pid, number)
    assert child.outcome().killed
    report = verify(paths, "nimbus-os")
    assert report, report.issues
    assert (report.calls, report.without_outcome) == (3, 3)
    found = latest(paths, "nimbus-os", 5)
    assert sorted(call.entry.path for call in found) == [f"/patients/{n}" for n in range(3)]
    assert {call.describe() for call in found} == {NO_OUTCOME}


CALLING = """
import asyncio, sys, threading
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.services import AsyncNimbusOS, NimbusOS
kind, url, key = sys.argv[1:]
async def main():
    async with AsyncNimbusOS(key, base_url=url) as client:
        while True:
            calls = (client.request("GET", "/orders") for _ in range(3))
            await asyncio.gather(*calls, return_exceptions=True)
def work(client):
    while True:
        try:
            client.request("GET", "/orders")
        except NimbusError:
            pass
if kind == "awaitable":
    asyncio.run(main())
with NimbusOS(key, base_url=url) as client:
    threads = [threading.Thread(target=work, args=(client,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.qualification
def test_whatever_reached_the_service_is_in_the_trail(box, paths, fork_server):
    """Of ten processes with threads and tasks that call at once, and are killed one after the other."""
    box.fault("nimbus_os", delay=0.03, times=None)
    arguments = [box.nimbus_os_url(), box.new_nimbus_os_key()]
    children = [
        fork_server.start(
            RUN_PYTHON,
            environ=os.environ,
            folder=ROOT,
            descriptors=[],
            arguments=["-c", CALLING, kind, *arguments],
        )
        for kind in ("blocking", "awaitable") * 5
    ]
    while len(box.journal()) < len(children):
        time.sleep(0.01)
    chance = random.Random(3)
    for child in children:
        time.sleep(chance.uniform(0.3, 1.2))
        os.kill(child.pid, chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]))
        report = verify(paths, "nimbus-os")
        assert report, report.issues
        assert child.outcome().killed
    recorded = {call.entry.request_id for call in latest(paths, "nimbus-os", 10**6)}
    reached = {exchange.request_id for exchange in box.journal()}
    assert len(reached) >= len(children)
    assert reached <= recorded
