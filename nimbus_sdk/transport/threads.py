"""Blocking jobs in a thread: never left behind by a cancellation, never waited for beyond their time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

POLL_SECONDS = 0.01


class TimeLimitError(Exception):
    """A job took longer than it was given."""


def run_with_timeout(job: Callable[[], T], seconds: float) -> T:
    """Run a blocking job, and wait for it no longer than so many seconds.

    For what knows no timeout of its own, or only one from byte to byte. A job that is overdue is left to
    itself in a daemon thread, so it must touch nothing that its caller goes on to use.

    Raises:
        TimeLimitError: It is still at it.

    Example:
        >>> run_with_timeout(lambda: 2 + 3, seconds=5)
        5
    """
    results: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(job())
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits for it
            faults.append(error)

    thread = threading.Thread(target=run, name="nimbus-sdk", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if faults:
        # Popped, so that no frame of the traceback keeps the error, and with it itself, alive.
        raise faults.pop()
    raise TimeLimitError


async def run_in_thread(job: Callable[[], T]) -> T:
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
