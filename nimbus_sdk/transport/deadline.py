"""One deadline for a whole flow: waits, retries and downloads together."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """A point in time by which a flow must end.

    Args:
        seconds: How long it may take from now.
        clock: A monotonic clock, in seconds.

    Examples:
        >>> deadline = Deadline(30, clock=lambda: 100.0)
        >>> deadline.remaining(), deadline.within(2.5).remaining()
        (30.0, 2.5)
    """

    __slots__ = ("_clock", "_end")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - self._clock())

    def extend(self, seconds: float) -> None:
        """Move the deadline by some seconds, for example by what a prompt took."""
        self._end += seconds

    def extend_to(self, seconds: float) -> None:
        """Move the deadline, if necessary, so that these seconds are left: a download has made progress."""
        self._end = max(self._end, self._clock() + seconds)

    def within(self, seconds: float | None) -> Deadline:
        """A deadline for one part of the flow: the seconds given if fewer than those left, else this one."""
        left = self.remaining()
        return self if seconds is None or seconds >= left else Deadline(seconds, self._clock)
