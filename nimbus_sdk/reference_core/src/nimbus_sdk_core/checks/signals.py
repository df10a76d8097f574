"""Statistics of the samples of one feature, over all trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._types import FeatureArray

_HUM_RATIO = 10.0
_MAX_TRIALS = 200


@dataclass(frozen=True, slots=True)
class FeatureSummary:
    """Statistics of one feature.

    Attributes:
        finite: Whether all values are finite; if not, the other attributes have no meaning.
        constant: Whether it never varies.
        mean: Over samples and trials.
        deviation: Standard deviation over samples and trials.
        within: Standard deviation over the samples of a trial, root mean square over trials.
        largest: Largest absolute value.
        neighbours: Correlation of neighbouring samples about the mean of their trial; 0 where it is unknown.
    """

    finite: bool
    constant: bool
    mean: float
    deviation: float
    within: float
    largest: float
    neighbours: float


def summarize_feature(values: FeatureArray) -> FeatureSummary:
    """Summarize a feature.

    Args:
        values: Shape (n_samples × n_trials).

    Examples:
        >>> summarize_feature(np.array([[1.0, 5.0], [3.0, 7.0]])).within
        1.0
    """
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        return FeatureSummary(False, False, *([float("nan")] * 5))
    mean, largest = float(numbers.mean()), float(np.abs(numbers).max())
    deviation = float(numbers.std())
    numbers -= numbers.mean(axis=0)
    power = float((numbers * numbers).mean())
    neighbours = (
        float((numbers[1:] * numbers[:-1]).mean()) / power if len(numbers) > 2 and power > 0.0 else 0.0
    )
    return FeatureSummary(
        finite=True,
        constant=deviation <= 1e-13 * largest,
        mean=mean,
        deviation=deviation,
        within=power**0.5,
        largest=largest,
        neighbours=neighbours,
    )


def has_mains_hum(features: FeatureArray, rate: float, frequency: float) -> bool:
    """Whether the power at a frequency is far above that of the frequencies beside it.

    Args:
        features: Shape (n_features × n_samples × n_trials); evenly chosen trials are used.
        rate: Samples a second.
        frequency: In Hz.

    Returns:
        False if the trials are too short to decide.

    Examples:
        >>> times = np.arange(500) / 250.0
        >>> noise = np.random.default_rng(1).normal(size=(1, 500, 20))
        >>> hum = np.sin(100 * np.pi * times)[:, None]
        >>> has_mains_hum(noise, 250.0, 50.0), has_mains_hum(noise + hum, 250.0, 50.0)
        (False, True)
    """
    n_samples, n_trials = features.shape[1:]
    if n_samples < rate or frequency + 6.0 >= rate / 2.0:
        return False
    chosen = features[:, :, :: -(-n_trials // _MAX_TRIALS)]
    frequencies = np.fft.rfftfreq(n_samples, 1.0 / rate)
    near = (frequencies > frequency - 6.0) & (frequencies < frequency + 6.0)
    window = np.hanning(n_samples)[:, None]
    power = np.zeros(int(near.sum()))
    for feature in chosen:
        power += (np.abs(np.fft.rfft((feature - feature.mean(axis=0)) * window, axis=0)[near]) ** 2).mean(
            axis=1
        )
    is_line = np.abs(frequencies[near] - frequency) < 1.5
    return bool(power[is_line].max() > _HUM_RATIO * np.median(power[~is_line]))
