"""The audit trail of calls that were interrupted: Ctrl-C, cancelled tasks, no thread to be had."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.services.audit.verify import verify
from nimbus_sdk.transport.flow import Response
from tests.services.audit.test_trail import entry, lines
from tests.services.conftest import NIMBUS_OS_KEY

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(paths) -> Path:
    """Where the trail is."""
    return Path(paths.audit)


@pytest.fixture
def trail(paths) -> AuditTrail:
    """The trail of this machine."""
    return AuditTrail(paths, "nimbus-os")


class Answering:
    """A transport that answers, and then has Ctrl-C pressed a moment later."""

    def __init__(self, *, pressed_after: float = 0) -> None:
        self.sent = 0
        self._pressed_after = pressed_after

    def send(self, call, deadline):
        """Answer."""
        self.sent += 1
        signal.setitimer(signal.ITIMER_REAL, self._pressed_after)
        return Response(status=200, headers={}, body=b"{}")

    def close(self):
        """Nothing is open."""


@contextmanager
def held_by_another_process():
    """The trail's lock is somebody else's meanwhile."""
    code = """
import sys
from nimbus_sdk.services.audit.files import TrailFiles
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.config.paths import Paths
with TrailFiles(Settings.load().paths, "nimbus-os").exclusive(5):
    print("held", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        yield
        other.stdin.close()


def settled_lines(folder: Path, number: int) -> list[dict]:
    """The lines, once there are so many."""
    for _ in range(300):
        if (folder / "nimbus-os.jsonl").exists() and len(lines(folder)) >= number:
            break
        time.sleep(0.01)
    return lines(folder)


def test_ctrl_c_while_the_line_waits_for_its_turn_loses_nothing(folder, paths, trail):
    """The call was made, so its line is written once the lock is free, with the status that came."""
    trail.append(entry())
    transport = Answering(pressed_after=0.2)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with (
            held_by_another_process(),
            services.NimbusOS(NIMBUS_OS_KEY, transport=transport) as client,
            pytest.raises(KeyboardInterrupt),
        ):
            client.request("POST", "/orders", json={"item": "gel"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert transport.sent == 1
    told = [(line["method"], line["status"]) for line in settled_lines(folder, 2)]
    assert told == [("GET", 200), ("POST", 200)]
    assert verify(paths, "nimbus-os")


def test_ctrl_c_does_not_end_a_program_before_its_line_is_written(folder, trail):
    """A process that was interrupted lives as long as its line needs."""
    trail.append(entry())
    code = """
import signal
from nimbus_sdk.services import NimbusOS
from tests.services.audit.test_recorder import Answering
signal.signal(signal.SIGALRM, signal.default_int_handler)
client = NimbusOS("sk_test_abc123xyz789def456ghi", transport=Answering(pressed_after=0.2))
print("begun", flush=True)
client.request("POST", "/orders")
"""
    command = [sys.executable, "-c", code]
    with held_by_another_process():
        program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.stdout.readline()
        for line in program.stderr:
            if b"KeyboardInterrupt" in line:
                break
    assert program.communicate(timeout=20)
    assert [line["status"] for line in lines(folder)] == [200, 200]


def test_a_call_that_is_cancelled_while_all_threads_are_busy_is_written_down(folder):
    """Its answer came, and no thread of the event loop was free to write that down."""
    import anyio.to_thread

    class Busy:
        answered = False

        async def send(self, call, deadline):
            anyio.to_thread.current_default_thread_limiter().total_tokens = 1
            self.work = asyncio.create_task(anyio.to_thread.run_sync(time.sleep, 1.0))
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
    assert [line["status"] for line in lines(folder)] == [200]


def test_a_cancelled_call_does_not_hold_up_the_event_loop(folder, trail):
    """Others go on with their work while the line waits for its turn."""
    trail.append(entry())
    gaps: list[float] = []

    class Silent:
        asked = False

        async def send(self, call, deadline):
            self.asked = True
            await asyncio.sleep(20)

        async def aclose(self):
            pass

    async def ticking() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.02)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    async def main() -> None:
        ticks = asyncio.create_task(ticking())
        silent = Silent()
        client = services.AsyncNimbusOS(NIMBUS_OS_KEY, transport=silent)
        task = asyncio.create_task(client.request("GET", "/orders"))
        while not silent.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)
        ticks.cancel()

    with held_by_another_process():
        asyncio.run(main())
    assert max(gaps) < 5
    assert [line["status"] for line in settled_lines(folder, 2)] == [200, None]


def test_where_no_thread_can_be_had_the_line_is_written_all_the_same(folder, monkeypatch):
    """An interpreter that is ending starts none."""

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with services.NimbusOS(NIMBUS_OS_KEY, transport=Answering()) as client:
        monkeypatch.setattr(threading.Thread, "start", none_left)
        client.request("GET", "/orders")
    assert [line["status"] for line in lines(folder)] == [200]
