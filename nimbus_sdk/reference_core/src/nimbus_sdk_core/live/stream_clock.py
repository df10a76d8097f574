"""StreamClock: regular times for samples whose time stamps jitter and drift, and where some are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._types import FloatArray

# Seconds over which the clock follows stamps that drift, and remembers how much they jitter.
_MEMORY = 3.0

# Lateness that is no gap, in seconds, in periods, and in times of the jitter: a busy computer stamps late
# what is complete, and fewer samples matter little to a window.
_TOLERANCE = 0.05
_PERIODS = 1.5
_TIMES_JITTER = 3.0

# Seconds by which stamps may be early, when samples that were delayed arrive in one burst.
_MOST_EARLY = 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """Samples of a chunk that follow each other.

    Attributes:
        start, stop: Which samples.
        end_time: When the sample after them is due, in seconds by the clock of the stream.
        gap: Seconds that are missing before them, or None if they continue the samples before. After a clock
            that went back it is 0.
    """

    start: int
    stop: int
    end_time: float
    gap: float | None


class StreamClock:
    """Compares time stamps with the number of samples.

    Stamps are late by whatever held up the amplifier, the driver or the network, so samples count as missing
    only if a stamp is late by more than 50 milliseconds and three times the jitter of the last seconds.

    Args:
        sampling_rate: In Hz.

    Examples:
        >>> clock = StreamClock(100.0)
        >>> [segment.gap for segment in clock.place(np.arange(50) / 100.0, 50)]
        [None]
        >>> [segment.gap for segment in clock.place(1.0 + np.arange(50) / 100.0, 50)]
        [0.5]
    """

    __slots__ = ("_due", "_jitter", "_period")

    def __init__(self, sampling_rate: float) -> None:
        self._period = 1.0 / sampling_rate
        self._due: float | None = None
        self._jitter = 0.0

    def place(self, stamps: FloatArray | None, n_samples: int) -> list[Segment]:
        """Divide the next samples where some are missing.

        Args:
            stamps: Of each sample, in seconds, shape (n_samples,); or None: then none is missing.
            n_samples: How many there are.
        """
        due = self._due if self._due is not None else 0.0 if stamps is None else float(stamps[0])
        if stamps is None:
            self._due = due + n_samples * self._period
            return [Segment(0, n_samples, self._due, None)]
        segments: list[Segment] = []
        start, gap = 0, None
        while start < n_samples:
            lateness = stamps[start:] - due - self._period * np.arange(n_samples - start)
            breaks = np.flatnonzero((lateness > self._most_late()) | (lateness < -_MOST_EARLY))
            length = int(breaks[0]) if len(breaks) else n_samples - start
            if length:
                due = self._follow(due, lateness[:length])
                segments.append(Segment(start, start + length, due, gap))
            start += length
            if len(breaks):
                gap, due = max(0.0, float(lateness[length])), float(stamps[start])
        self._due = due
        return segments

    def _most_late(self) -> float:
        return max(_TOLERANCE, _PERIODS * self._period, _TIMES_JITTER * self._jitter)

    def _follow(self, due: float, lateness: FloatArray) -> float:
        """When the sample after these is due."""
        decay = math.exp(-len(lateness) * self._period / _MEMORY)
        self._jitter = max(decay * self._jitter, float(np.abs(lateness).max()))
        return due + len(lateness) * self._period + (1.0 - decay) * float(lateness.mean())
