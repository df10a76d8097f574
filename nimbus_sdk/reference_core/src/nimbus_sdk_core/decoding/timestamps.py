"""Gaps and repeated samples in a stream, by the time stamps of its samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from ..errors import CoreDataError

# Periods of a sample by which stamps may be late: clocks and networks jitter.
_TOLERANCE = 1.5


@dataclass(frozen=True, slots=True)
class Timing:
    """What time stamps say about a chunk.

    Attributes:
        gap: Time that is missing before and within it, in seconds.
        n_repeated: Samples at its start that were in the chunk before, too.
        end: Time stamp of its last sample, in seconds.
    """

    gap: float = 0.0
    n_repeated: int = 0
    end: float = math.nan


_WITHOUT_STAMPS = Timing()


class GapDetector:
    """Compares the time stamps of chunks with the sampling rate."""

    __slots__ = ("_expected", "_period")

    def __init__(self, sampling_rate: float) -> None:
        self._period = 1.0 / sampling_rate
        self._expected: float | None = None

    def reset(self) -> None:
        """Forget the last chunk: a trial may begin at any time."""
        self._expected = None

    def measure(self, timestamps: npt.ArrayLike | SupportsFloat | None, n_samples: int) -> Timing:
        """Compare a chunk with the one before.

        Args:
            timestamps: Of each sample, in seconds, shape (n_samples,); or of the first one; or None.
            n_samples: Samples in the chunk.

        Raises:
            CoreDataError: Not one number, nor one for each sample; not finite; or not rising.
        """
        if timestamps is None:
            return _WITHOUT_STAMPS
        stamps = _read_stamps(timestamps, n_samples)
        missing, n_repeated = np.diff(stamps) - self._period, 0
        if self._expected is not None:
            late = float(stamps[0]) - self._expected
            missing = np.append(missing, late)
            n_repeated = min(max(0, round(-late / self._period)), n_samples)
        left = n_samples if len(stamps) == 1 else 1
        self._expected = float(stamps[-1]) + left * self._period
        gap = float(missing[missing > _TOLERANCE * self._period].sum())
        return Timing(gap, n_repeated, self._expected - self._period)


def _read_stamps(timestamps: npt.ArrayLike | SupportsFloat, n_samples: int) -> npt.NDArray[np.float64]:
    hint = "Give the time of the first sample in seconds, or one time for each sample."
    try:
        read = np.atleast_1d(np.asarray(timestamps))
        # Dates would become numbers of whatever unit they have, and texts those that they spell.
        if read.dtype == object and all(isinstance(stamp, Real) for stamp in read.flat):
            read = read.astype(np.float64)
        stamps = read.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError):
        raise CoreDataError("timestamps hold something that is not a number.", hint) from None
    if stamps.shape not in ((1,), (n_samples,)):
        raise CoreDataError(
            f"timestamps have shape {stamps.shape}, and the chunk has {n_samples} sample(s).", hint
        )
    if not np.isfinite(stamps).all() or (np.diff(stamps) <= 0.0).any():
        raise CoreDataError("timestamps are not finite, or do not rise.", hint)
    return stamps
