"""Local work in a thread that is never left behind, however its task is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

POLL_SECONDS = 0.01


async def in_thread(job: Callable[[], T]) -> T:
    """Run a blocking job in a thread, and come back only once it is over or will never begin.

    anyio's shield keeps its own cancellation out, but ``asyncio.Task.cancel()``, and with it
    ``asyncio.timeout`` and ``wait_for``, goes through it and leaves the thread at work; whoever then
    releases a lock does so in the middle of what it guards.
    """
    claim, over = threading.Lock(), threading.Event()

    def run() -> T:
        # Held for ever by whichever comes first: the job, or the cancellation that forestalls it.
        if not claim.acquire(blocking=False):
            raise RuntimeError("cancelled before it began")
        try:
            return job()
        finally:
            over.set()

    try:
        return await anyio.to_thread.run_sync(run)
    except anyio.get_cancelled_exc_class():
        if not claim.acquire(blocking=False):
            await _until(over)
        raise


async def _until(over: threading.Event) -> None:
    while not over.is_set():
        try:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(POLL_SECONDS)
        except anyio.get_cancelled_exc_class():
            # Cancelled once more; the first cancellation is passed on when the job is over.
            continue
