"""Run a blocking job in a thread of the event loop, so that a cancellation never leaves it behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

POLL_SECONDS = 0.01


async def run_in_thread(job: Callable[[], T]) -> T:
    """Run a blocking job in a thread, and return only when it has ended or can no longer begin.

    The shield of anyio stops the cancellations of anyio, but ``asyncio.Task.cancel()``, and with it
    ``asyncio.timeout`` and ``wait_for``, passes it and leaves the thread running. Whoever then releases a
    lock would release it while the thread still needs it.
    """
    claim, ended = threading.Lock(), threading.Event()

    def run() -> T:
        # Acquired once and for all by whichever comes first: the job, or the cancellation before it.
        if not claim.acquire(blocking=False):
            raise RuntimeError("cancelled before it began")
        try:
            return job()
        finally:
            ended.set()

    try:
        return await anyio.to_thread.run_sync(run)
    except anyio.get_cancelled_exc_class():
        if not claim.acquire(blocking=False):
            await _wait_for(ended)
        raise


async def _wait_for(event: threading.Event) -> None:
    while not event.is_set():
        try:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(POLL_SECONDS)
        except anyio.get_cancelled_exc_class():
            # Cancelled again; the first cancellation is raised when the job has ended.
            continue
