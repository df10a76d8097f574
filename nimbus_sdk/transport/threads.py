"""Run blocking jobs in threads of their own, for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from nimbus_sdk.display.timeouts import Job

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


def _start(job: Callable[[], T], discard: Callable[[T], object]) -> tuple[Job[T], asyncio.Event]:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def note_end() -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(ended.set)

    running = Job(job, discard, note_end)
    running.start()
    return running, ended


async def run_in_thread(job: Callable[[], T]) -> T:
    """Run a blocking job in a thread, and return only when it has ended or can no longer begin.

    A cancellation that left the thread running would release a lock while the thread still needs it.
    """
    async with _slots.get():
        running, ended = _start(job, lambda _: None)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            await _wait_for(ended)
            raise
    return running.result()


async def run_detached(job: Callable[[], T], discard: Callable[[T], object]) -> T:
    """Run a blocking job in a thread that a cancellation leaves behind, and discard its result then."""
    running, ended = _start(job, discard)
    try:
        await ended.wait()
    except BaseException:
        if not running.abandon():
            discard(running.result())
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
