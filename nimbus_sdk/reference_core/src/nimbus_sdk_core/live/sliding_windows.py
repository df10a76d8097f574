"""SlidingWindows: windows of equal length from chunks of any length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._types import FloatArray


@dataclass(frozen=True, slots=True)
class Window:
    """A window.

    Attributes:
        samples: Shape (n_channels × n_samples).
        time: Of its first sample, in seconds.
    """

    samples: FloatArray
    time: float


class SlidingWindows:
    """Collects samples and cuts them into windows, which do not depend on how the samples arrive.

    Args:
        n_samples: Length of a window.
        step: From the start of a window to the start of the next, in seconds, not longer than a window.
        sampling_rate: In Hz.

    Examples:
        >>> windows = SlidingWindows(4, 0.02, 100.0)
        >>> windows.add(np.arange(7.0).reshape(1, 7), 0.07)
        >>> windows.take().samples, windows.take().samples, windows.take()
        (array([[0., 1., 2., 3.]]), array([[2., 3., 4., 5.]]), None)
    """

    __slots__ = ("_end", "_end_time", "_n_samples", "_n_taken", "_origin", "_rate", "_samples", "_step")

    def __init__(self, n_samples: int, step: float, sampling_rate: float) -> None:
        self._n_samples = n_samples
        self._step, self._rate = step, sampling_rate
        self._origin = self._end = self._n_taken = 0
        self._samples: FloatArray | None = None
        self._end_time = 0.0

    def add(self, samples: FloatArray, end_time: float) -> None:
        """Add samples, shape (n_channels × n_samples), after the last of which it is ``end_time``."""
        buffered = samples if self._samples is None else np.concatenate([self._samples, samples], axis=1)
        self._end += samples.shape[1]
        self._end_time = end_time
        self._samples = buffered[:, max(0, buffered.shape[1] - max(0, self._end - self._next)) :]

    def take(self) -> Window | None:
        """Return the next window if all its samples are there, else None."""
        start = self._next
        if self._samples is None or start + self._n_samples > self._end:
            return None
        first = self._samples.shape[1] - (self._end - start)
        self._n_taken += 1
        samples = self._samples[:, first : first + self._n_samples]
        return Window(samples, self._end_time - (self._end - start) / self._rate)

    def pause(self, seconds: float) -> None:
        """Start anew after this time from the end of the last window that was taken."""
        last = self._origin + round((self._n_taken - 1) * self._step * self._rate)
        self._origin = last + self._n_samples + round(seconds * self._rate)
        self._n_taken = 0

    def restart(self) -> None:
        """Discard the samples so far, since the next ones do not continue them; a pause goes on."""
        self._origin, self._n_taken = max(0, self._next - self._end), 0
        self._end, self._samples = 0, None

    @property
    def _next(self) -> int:
        """Where the next window starts."""
        return self._origin + round(self._n_taken * self._step * self._rate)
