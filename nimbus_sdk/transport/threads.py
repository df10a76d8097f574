"""Run blocking jobs in threads of their own, for an event loop.

The threads are daemons, which never hold up the end of the process. Where no thread can be started, as at the
end of the interpreter, the job runs in the thread of the loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.01
MOST_THREADS = 40


class PerLoop(Generic[T]):
    """An object for each event loop, since what belongs to one loop is of no use in another."""

    def __init__(self, make: Callable[[], T], abandon: Callable[[T], object] = lambda _: None) -> None:
        self._make = make
        self._abandon = abandon
        self._objects: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """Return the object of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._objects:
            self.drop_ended()
            self._objects[loop] = self._make()
        return self._objects[loop]

    def values(self) -> list[T]:
        """Return the objects of all loops."""
        return list(self._objects.values())

    def drop_ended(self) -> None:
        """Abandon the objects of loops that have ended."""
        for loop in list(self._objects):
            if loop.is_closed():
                self._abandon(self._objects.pop(loop))


_slots = PerLoop(lambda: asyncio.Semaphore(MOST_THREADS))


class _Job(Generic[T]):
    """A job that runs in a thread, and its result."""

    def __init__(self, job: Callable[[], T], discard: Callable[[T], object] | None = None) -> None:
        self.ended = asyncio.Event()
        self._job = job
        self._discard = discard
        self._loop = asyncio.get_running_loop()
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._abandoned = False

    def start(self) -> None:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._run,), name="nimbus-sdk", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._run()

    def result(self) -> T:
        if self._results:
            return self._results[0]
        # Popped, so that no frame of the traceback refers to the error and keeps it alive.
        raise self._errors.pop()

    def abandon(self) -> None:
        """Discard the result, now or when there is one."""
        with self._lock:
            self._abandoned = True
            if self._results and self._discard is not None:
                self._discard(self._results.pop())

    def _run(self) -> None:
        try:
            result = self._job()
        except BaseException as error:  # noqa: BLE001 - raised again in the task that waits
            self._errors.append(error)
        else:
            with self._lock:
                if self._abandoned and self._discard is not None:
                    self._discard(result)
                self._results.append(result)
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self.ended.set)


async def run_in_thread(job: Callable[[], T]) -> T:
    """Run a blocking job in a thread, and return only when it has ended or can no longer begin.

    A cancellation that left the thread running would release a lock while the thread still needs it.
    """
    async with _slots.get():
        running = _Job(job)
        running.start()
        try:
            await running.ended.wait()
        except asyncio.CancelledError:
            await _wait_for(running.ended)
            raise
    return running.result()


async def run_detached(job: Callable[[], T], discard: Callable[[T], object]) -> T:
    """Run a blocking job in a thread that a cancellation leaves behind, and discard its result then."""
    running = _Job(job, discard)
    running.start()
    try:
        await running.ended.wait()
    except BaseException:
        running.abandon()
        raise
    return running.result()


async def _wait_for(ended: asyncio.Event) -> None:
    # anyio cancels again and again, unless a scope of its own shields the wait.
    import anyio

    while not ended.is_set():
        try:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(POLL_SECONDS)
        except asyncio.CancelledError:
            # Cancelled again; the first cancellation is raised when the job has ended.
            continue
