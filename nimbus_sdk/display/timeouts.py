"""Wait for a blocking job with a time limit, and say so if the wait gets long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from nimbus_sdk.display.terminal import print_notice

T = TypeVar("T")


class TimeLimitError(Exception):
    """A job did not end within its time limit."""


def can_start_threads() -> bool:
    """Return whether a thread can be started; at the end of the interpreter none can.

    Examples:
        >>> can_start_threads()
        True
    """
    try:
        threading.Thread(target=int, name="nimbus-sdk", daemon=True).start()
    except RuntimeError:
        return False
    return True


class Job(Generic[T]):
    """A blocking job in a daemon thread, which does not delay the end of the interpreter.

    If no thread can be started, as at the end of the interpreter, it runs in the thread that starts it.

    Args:
        run: The job.
        discard: Receives the result of a job that was abandoned, in its thread.
        when_ended: Called in its thread.
    """

    def __init__(
        self, run: Callable[[], T], discard: Callable[[T], object], when_ended: Callable[[], object]
    ) -> None:
        self._job = run
        self._discard = discard
        self._when_ended = when_ended
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._deciding = threading.Lock()
        self._abandoned = False

    def start(self) -> None:
        """Start the job."""
        thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="nimbus-sdk", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            self._run()

    def result(self) -> T:
        """Return the result of a job that has ended, or raise its error."""
        if self._results:
            return self._results[0]
        # Popped, so that no frame of the traceback refers to the error and keeps it alive.
        raise self._errors.pop()

    def abandon(self) -> bool:
        """Have the result discarded when there is one; return False if there is one already."""
        with self._deciding:
            self._abandoned = not self._results
            return self._abandoned

    def _run(self) -> None:
        try:
            result = self._job()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._errors.append(error)
        else:
            with self._deciding:
                if not self._abandoned:
                    self._results.append(result)
            if self._abandoned:
                self._discard(result)
        self._when_ended()


def run_with_timeout(
    job: Callable[[], T],
    seconds: float,
    *,
    notice: str = "",
    notice_after: float | None = None,
    discard: Callable[[T], object] = lambda _: None,
) -> T:
    """Run a blocking job in a daemon thread, and return its result.

    For jobs without a timeout of their own, such as name resolution or a keyring. After the time limit, and
    after an interrupt, the thread is abandoned and does not delay the end of the interpreter, so it must not
    change anything that its caller goes on to use. If no thread can be started, as at the end of the
    interpreter, the job runs in this one, without a limit.

    Args:
        job: The job.
        seconds: The time limit.
        notice: Printed to standard error if the job still runs after ``notice_after`` seconds.
        discard: Receives the result of a job that was abandoned and ends nevertheless, in its thread.

    Raises:
        TimeLimitError: The job still runs.

    Examples:
        >>> run_with_timeout(lambda: 2 + 3, seconds=5)
        5
    """
    ended = threading.Event()
    running = Job(job, discard, ended.set)
    running.start()
    try:
        if notice_after is not None and notice_after < seconds:
            seconds -= notice_after
            if not ended.wait(notice_after):
                print_notice(notice)
        ended.wait(seconds)
    except BaseException:
        running.abandon()
        raise
    if not ended.is_set() and running.abandon():
        raise TimeLimitError
    return running.result()
