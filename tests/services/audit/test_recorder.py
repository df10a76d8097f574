"""The audit trail of interrupted calls: Ctrl-C, cancelled tasks, no free thread."""

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
from nimbus_sdk.transport import threads
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
    """A transport that responds, and has Ctrl-C pressed a moment later."""

    def __init__(self, *, pressed_after: float = 0) -> None:
        self.sent = 0
        self._pressed_after = pressed_after

    def send(self, call, deadline):
        """Respond."""
        self.sent += 1
        signal.setitimer(signal.ITIMER_REAL, self._pressed_after)
        return Response(status=200, headers={}, body=b"{}")

    def close(self):
        """Nothing is open."""


@contextmanager
def locked_by_another_process():
    """Another process has the trail's lock meanwhile."""
    code = """
import sys
from nimbus_sdk.services.audit.files import TrailFiles
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.config.paths import Paths
with TrailFiles(Settings.load().paths, "nimbus-os").exclusive(5):
    print("locked", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        yield
        other.stdin.close()


def wait_for_lines(folder: Path, number: int) -> list[dict]:
    """The entries, once there are so many."""
    for _ in range(6000):
        if (folder / "nimbus-os.jsonl").exists() and len(lines(folder)) >= number:
            break
        time.sleep(0.01)
    return lines(folder)


def test_ctrl_c_while_the_entry_waits_for_the_lock_loses_nothing(folder, paths, trail):
    """The call was made, so its entry is written once the lock is free, with the status that came."""
    trail.append(entry())
    transport = Answering(pressed_after=0.2)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with (
            locked_by_another_process(),
            services.NimbusOS(NIMBUS_OS_KEY, transport=transport) as client,
            pytest.raises(KeyboardInterrupt),
        ):
            client.request("POST", "/orders", json={"item": "gel"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert transport.sent == 1
    calls = [(line["method"], line["status"]) for line in wait_for_lines(folder, 2)]
    assert calls == [("GET", 200), ("POST", 200)]
    assert verify(paths, "nimbus-os")


def test_ctrl_c_does_not_end_a_program_before_its_entry_is_written(folder, trail):
    """A process that was interrupted ends after its entry is written."""
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
    with locked_by_another_process():
        program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.stdout.readline()
        for line in program.stderr:
            if b"KeyboardInterrupt" in line:
                break
    assert program.communicate(timeout=20)
    assert [line["status"] for line in lines(folder)] == [200, 200]


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
    assert [line["status"] for line in lines(folder)] == [200]


def test_a_cancelled_call_does_not_block_the_event_loop(folder, trail):
    """Others continue while the entry waits for the lock."""
    trail.append(entry())

    class Silent:
        asked = False

        async def send(self, call, deadline):
            self.asked = True
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

    with locked_by_another_process():
        asyncio.run(main())
        # The loop has gone on and ended, and the entry still waits for the lock.
        assert len(lines(folder)) == 1
    assert [line["status"] for line in wait_for_lines(folder, 2)] == [200, None]


def test_without_a_free_thread_the_entry_is_written_all_the_same(folder, monkeypatch):
    """An interpreter that is ending starts none."""

    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with services.NimbusOS(NIMBUS_OS_KEY, transport=Answering()) as client:
        monkeypatch.setattr(threading.Thread, "start", none_left)
        client.request("GET", "/orders")
    assert [line["status"] for line in lines(folder)] == [200]
