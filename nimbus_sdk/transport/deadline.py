"""One wall-clock budget for a whole conversation: waits, retries, downloads."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """A point in time by which a conversation must be over.

    Args:
        seconds: How long it may take from now.
        clock: A monotonic clock, in seconds.

    Example:
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
        """Allow more time: a large download needs what its size asks for."""
        self._end += seconds

    def within(self, seconds: float | None) -> Deadline:
        """A budget for one part: the seconds given, or what is left where that is less."""
        left = self.remaining()
        return Deadline(left if seconds is None else min(seconds, left), self._clock)
