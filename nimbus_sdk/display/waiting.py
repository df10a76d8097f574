"""Wait for a blocking job with a time limit, and say so if the wait gets long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

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
        notice_after: None prints no notice.
        discard: Receives the result of a job that was abandoned and ends nevertheless, in its thread.

    Raises:
        TimeLimitError: The job still runs.

    Examples:
        >>> run_with_timeout(lambda: 2 + 3, seconds=5)
        5
    """
    results: list[T] = []
    errors: list[BaseException] = []
    deciding, abandoned = threading.Lock(), threading.Event()

    def run() -> None:
        try:
            result = job()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)
            return
        with deciding:
            if not abandoned.is_set():
                results.append(result)
                return
        discard(result)

    thread = threading.Thread(target=run, name="nimbus-sdk", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return job()
    try:
        if notice_after is not None and notice_after < seconds:
            thread.join(notice_after)
            seconds -= notice_after
            if thread.is_alive():
                print_notice(notice)
        thread.join(seconds)
    finally:
        with deciding:
            abandoned.set()
    if results:
        return results[0]
    if errors:
        # Popped, so that no frame of the traceback refers to the error and keeps it alive.
        raise errors.pop()
    raise TimeLimitError
