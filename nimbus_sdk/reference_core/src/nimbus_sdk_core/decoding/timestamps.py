"""Gaps in a stream, by the time stamps of its samples."""

from __future__ import annotations

from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from ..errors import CoreDataError

# Periods of a sample by which stamps may be late: clocks and networks jitter.
_TOLERANCE = 1.5


class GapDetector:
    """Compares the time stamps of chunks with the sampling rate."""

    __slots__ = ("_expected", "_period")

    def __init__(self, sampling_rate: float) -> None:
        self._period = 1.0 / sampling_rate
        self._expected: float | None = None

    def reset(self) -> None:
        """Forget the last chunk: a trial may begin at any time."""
        self._expected = None

    def measure(self, timestamps: npt.ArrayLike | SupportsFloat | None, n_samples: int) -> float:
        """Time that is missing before and within a chunk, in seconds; 0 if there is none or no stamps.

        Args:
            timestamps: Of each sample, in seconds, shape (n_samples,); or of the first one; or None.
            n_samples: Samples in the chunk.

        Raises:
            CoreDataError: Not one number, nor one for each sample; not finite; or not rising.
        """
        if timestamps is None:
            return 0.0
        stamps = _read_stamps(timestamps, n_samples)
        missing = np.diff(stamps) - self._period
        if self._expected is not None:
            missing = np.append(missing, stamps[0] - self._expected)
        left = n_samples if len(stamps) == 1 else 1
        self._expected = float(stamps[-1]) + left * self._period
        return float(missing[missing > _TOLERANCE * self._period].sum())


def _read_stamps(timestamps: npt.ArrayLike | SupportsFloat, n_samples: int) -> npt.NDArray[np.float64]:
    hint = "Give the time of the first sample in seconds, or one time for each sample."
    try:
        stamps = np.atleast_1d(np.asarray(timestamps, dtype=np.float64))
    except (TypeError, ValueError):
        raise CoreDataError("timestamps hold something that is no number.", hint) from None
    if stamps.shape not in ((1,), (n_samples,)):
        raise CoreDataError(
            f"timestamps have shape {stamps.shape}, and the chunk has {n_samples} sample(s).", hint
        )
    if not np.isfinite(stamps).all() or (np.diff(stamps) <= 0.0).any():
        raise CoreDataError("timestamps are not finite, or do not rise.", hint)
    return stamps
