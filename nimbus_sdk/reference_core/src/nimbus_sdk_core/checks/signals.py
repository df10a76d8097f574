"""Statistics of the samples of one feature, over all trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._types import FeatureArray, FloatArray

_HUM_RATIO = 10.0
_MAX_TRIALS = 200
_CANCELLED = 0.5
_FEWEST_TRIALS = 30
_FEWEST_SAMPLES = 8


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


def find_mains_hum(features: FeatureArray, rate: float, frequency: float) -> list[int]:
    """Find the features whose power at a frequency is far above that of the frequencies beside it.

    Args:
        features: Shape (n_features × n_samples × n_trials); evenly chosen trials are used.
        rate: Samples a second.
        frequency: In Hz.

    Returns:
        Their indices; none if the trials are too short to decide.

    Examples:
        >>> times = np.arange(500) / 250.0
        >>> signals = np.random.default_rng(1).normal(size=(2, 500, 20))
        >>> signals[1] += np.sin(100 * np.pi * times)[:, None]
        >>> find_mains_hum(signals, 250.0, 50.0)
        [1]
    """
    n_samples, n_trials = features.shape[1:]
    if n_samples < rate or frequency + 6.0 >= rate / 2.0:
        return []
    chosen = features[:, :, :: -(-n_trials // _MAX_TRIALS)]
    frequencies = np.fft.rfftfreq(n_samples, 1.0 / rate)
    near = (frequencies > frequency - 6.0) & (frequencies < frequency + 6.0)
    is_line = np.abs(frequencies[near] - frequency) < 1.5
    window = np.hanning(n_samples)[:, None]
    # The power of a few trials scatters by itself.
    ratio = _HUM_RATIO * (1.0 + 3.0 / chosen.shape[2])
    found = []
    for k, feature in enumerate(chosen):
        deviations = (feature - feature.mean(axis=0, dtype=np.float64)) * window
        power = (np.abs(np.fft.rfft(deviations, axis=0)[near]) ** 2).mean(axis=1)
        if power[is_line].max() > ratio * np.median(power[~is_line]):
            found.append(k)
    return found


def find_cancelled_oscillations(
    summaries: Sequence[FeatureSummary], means: FloatArray, n_samples: int
) -> list[int]:
    """Find the features that vary within a trial but hardly in the mean over its samples.

    Of independent samples the mean varies as much as their variance divided by their number; of levels that
    last over a trial it varies more, and of oscillations less, since they cancel.

    Args:
        summaries: One for each feature.
        means: The mean of each trial, shape (n_trials × n_features).
        n_samples: Samples in a trial.
    """
    if len(means) < _FEWEST_TRIALS or n_samples < _FEWEST_SAMPLES:
        return []
    expected = np.array([summary.within**2 for summary in summaries]) / n_samples
    shares = means.var(axis=0)[expected > 0.0] / expected[expected > 0.0]
    # The share of a single feature scatters: without most features, it has to be lower by itself.
    limit = _CANCELLED if len(shares) and np.median(shares) < _CANCELLED else _CANCELLED / 3.0
    return [int(feature) for feature in np.flatnonzero(expected > 0.0)[shares < limit]]
