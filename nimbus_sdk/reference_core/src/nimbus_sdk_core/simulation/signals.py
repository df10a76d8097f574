"""Random signals by their spectrum: background activity, rhythms and the noise of sensors.

Signals are drawn as Fourier coefficients, so that mixing and filtering are multiplications and only the end
needs an inverse transform.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._types import FloatArray

Spectrum = npt.NDArray[np.complex128]


def frequencies(n_samples: int, rate: float) -> FloatArray:
    """Frequencies of the coefficients of a real signal, in Hz, shape (n_samples // 2 + 1,)."""
    return np.asarray(np.arange(n_samples // 2 + 1) * (rate / n_samples), dtype=np.float64)


def draw_signals(
    random: np.random.RandomState, shape: tuple[int, ...], power: FloatArray, n_samples: int
) -> Spectrum:
    """Draw Gaussian signals whose expected power spectrum is ``power``.

    Args:
        random: Source of randomness.
        shape: How many signals; the frequency axis comes last.
        power: Power at each frequency, broadcast against (*shape, n_frequencies).
        n_samples: Length of the signals, which scales the coefficients.

    Returns:
        Fourier coefficients, shape (*shape, n_frequencies), to be inverted by ``numpy.fft.irfft``.
    """
    n_frequencies = n_samples // 2 + 1
    normal = random.standard_normal((*shape, n_frequencies, 2)).view(np.complex128)[..., 0]
    return np.asarray(normal * np.sqrt(power) * np.sqrt(n_samples / 2.0))


def pink_spectrum(freqs: FloatArray, exponent: float = 1.0) -> FloatArray:
    """Power of 1/f background activity, 1 at 10 Hz, flat below 1 Hz, without a constant part."""
    power = (10.0 / np.maximum(freqs, 1.0)) ** exponent
    power[0] = 0.0
    return power


def rhythm_spectrum(freqs: FloatArray, centre: float, width: float) -> FloatArray:
    """Power of a rhythm: a Gaussian bump of height 1 at ``centre`` Hz ``width`` Hz wide (SD)."""
    return np.exp(-0.5 * ((freqs - centre) / width) ** 2)


def bandpass_gain(freqs: FloatArray, low: float, high: float) -> FloatArray:
    """Gain of a band-pass: 1 inside, cosine flanks of 1 Hz outside, 0 beyond."""
    outside = np.maximum(np.maximum(low - freqs, freqs - high), 0.0)
    return np.where(outside < 1.0, 0.5 * (1.0 + np.cos(np.pi * np.minimum(outside, 1.0))), 0.0)


def quantize(values: FloatArray) -> FloatArray:
    """Round to multiples of 1/256, as a converter of finite resolution would.

    Sums and means of such numbers over a power of two are exact in float64, which makes everything that is
    learned from them the same on every machine.
    """
    return np.asarray(np.round(values * 256.0) / 256.0)
