"""CausalFilter: a band-pass that goes on from chunk to chunk."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Protocol, cast

import numpy as np

from .._types import FloatArray
from ..errors import CoreDataError, MissingLibraryError

ORDER = 4
"""Order of the Butterworth filter; a band-pass has twice as many poles."""

# What is left of a transient of the filter when it counts as settled.
_SETTLED = 0.01

# A highest frequency this near to half the sampling rate is no limit.
_NEAR_NYQUIST = 0.999


class _SciPySignal(Protocol):
    def butter(self, N: int, Wn: object, btype: str, *, output: str, fs: float) -> FloatArray: ...  # noqa: N803
    def sosfilt(
        self, sos: FloatArray, x: FloatArray, axis: int, zi: FloatArray
    ) -> tuple[FloatArray, FloatArray]: ...
    def sosfilt_zi(self, sos: FloatArray) -> FloatArray: ...


class CausalFilter:
    """A Butterworth filter in second-order sections, whose state is passed on from chunk to chunk.

    It starts in the steady state of the first sample, as `scipy.signal.sosfilt_zi` describes, so that an
    offset makes no step.

    Args:
        band: Lowest and highest frequency in Hz; one that is no limit, 0 or half the sampling rate, makes it
            a low-pass or a high-pass; None filters nothing.
        sampling_rate: Of the samples, in Hz.

    Attributes:
        n_settling: Samples at the start that are dropped, after which 1 % of a transient is left.

    Raises:
        CoreDataError: The band is above half the sampling rate.
        MissingLibraryError: SciPy is not installed.

    Examples:
        >>> waves = CausalFilter((8.0, 30.0), 250.0)
        >>> signal = np.random.default_rng(1).normal(size=(2, 500))
        >>> parts = [waves.apply(signal[:, start : start + 7]) for start in range(0, 500, 7)]
        >>> np.concatenate(parts, axis=1).shape[1] == 500 - waves.n_settling
        True
    """

    __slots__ = ("_n_unsettled", "_scipy", "_sections", "_state", "n_settling")

    def __init__(self, band: tuple[float, float] | None, sampling_rate: float) -> None:
        self._scipy = None if band is None else _import_scipy_signal()
        self._sections = None
        if band is not None and self._scipy is not None:
            self._sections = _design(self._scipy, band, sampling_rate)
        self.n_settling = 0 if self._sections is None else _count_settling(self._sections)
        self.restart()

    def restart(self) -> None:
        """Forget the samples so far: the next ones do not continue them."""
        self._state: FloatArray | None = None
        self._n_unsettled = self.n_settling

    def apply(self, samples: FloatArray) -> FloatArray:
        """Filter the next samples, shape (n_channels × n_samples); those of the settling are dropped."""
        if self._scipy is None or self._sections is None or not samples.shape[1]:
            return samples
        if self._state is None:
            steady = self._scipy.sosfilt_zi(self._sections)
            self._state = steady[:, np.newaxis, :] * samples[np.newaxis, :, :1]
        filtered, self._state = self._scipy.sosfilt(self._sections, samples, axis=1, zi=self._state)
        dropped = min(self._n_unsettled, samples.shape[1])
        self._n_unsettled -= dropped
        return filtered[:, dropped:]


def _design(scipy: _SciPySignal, band: tuple[float, float], sampling_rate: float) -> FloatArray | None:
    low, high = band
    nyquist = 0.5 * sampling_rate
    if low >= nyquist:
        raise CoreDataError(
            f"A band from {low:g} to {high:g} Hz needs more than {2.0 * low:g} samples a second, and there "
            f"are {sampling_rate:g}.",
            f"Give a band below {nyquist:g} Hz, band=(low, high), or record at a higher rate.",
        )
    has_highest = high < _NEAR_NYQUIST * nyquist
    if low > 0.0 and has_highest:
        kind, limits = "bandpass", [low, high]
    elif low > 0.0:
        kind, limits = "highpass", [low]
    elif has_highest:
        kind, limits = "lowpass", [high]
    else:
        return None
    return scipy.butter(ORDER, limits if len(limits) > 1 else limits[0], kind, output="sos", fs=sampling_rate)


def _count_settling(sections: FloatArray) -> int:
    slowest = max(float(np.abs(np.roots(section[3:])).max(initial=0.0)) for section in sections)
    return math.ceil(math.log(_SETTLED) / math.log(slowest)) if 0.0 < slowest < 1.0 else 0


def _import_scipy_signal() -> _SciPySignal:
    try:
        return cast(_SciPySignal, import_module("scipy.signal"))
    except ImportError:
        raise MissingLibraryError(
            "SciPy is not installed, and the filter of a stream needs it.",
            "Install scipy in this environment (`pip install scipy`), then try again.",
        ) from None
