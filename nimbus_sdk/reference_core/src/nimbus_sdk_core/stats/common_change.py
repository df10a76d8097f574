"""Changes that all trials of a recording share: another gain, another zero.

After such a change, a trial that would have been x₀ is g·(x₀ + d), with one gain g and one shift d for all
classes. So few numbers show in few trials, and what was learned before is true of x/g - d. A change is seen
if the last trials are more probable with it than without, by more than its prior probability is small: R. P.
Adams and D. J. C. MacKay, Bayesian online changepoint detection (2007). The shift for each trial is estimated
from the others, so that its freedom earns nothing: S. Geisser and W. F. Eddy, A predictive approach to model
selection, J. American Statistical Association 74 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from .._types import FloatArray, IndexArray
from .student_t import Predictive, log_joint, log_mixture, squared_distances
from .sufficient_statistics import Moments

_GAINS = 2.0 ** (np.arange(-12, 13) / 4.0)
_LOG_GAINS = np.log(_GAINS)[:, None]

# The numbers of last trials that may differ from those before. One or two may be artefacts.
_LENGTHS = (3, 4, 6, 8, 12)

# Log probability ratio by which one trial may speak for a change, so that no single one decides.
_MOST_OF_ONE = 5.0


class CommonChange(NamedTuple):
    """How the last trials differ from those before.

    Attributes:
        gain: g.
        shift: d, shape (n_features,).
        n_trials: How many of the last trials differ.
    """

    gain: float
    shift: FloatArray
    n_trials: int

    def apply(self, moments: Moments) -> Moments:
        """The sufficient statistics that the trials before would have after the change.

        Examples:
            >>> before = Moments(np.ones(1), np.array([[1.0]]), np.array([[[3.0]]]))
            >>> CommonChange(2.0, np.array([0.5]), 4).apply(before)
            Moments(counts=array([1.]), means=array([[3.]]), scatters=array([[[12.]]]))
        """
        squared = self.gain * self.gain
        return Moments(moments.counts, self.gain * (moments.means + self.shift), squared * moments.scatters)


def find_change(
    predictive: Predictive, means: FloatArray, vectors: FloatArray, index: IndexArray, *, probability: float
) -> CommonChange | None:
    """Find out whether the last labelled trials differ from those before.

    Args:
        predictive: Of the trials before.
        means: Its class means, shape (n_classes × n_features).
        vectors: The last trials, oldest first, shape (n_trials × n_features).
        index: The class of each, shape (n_trials,).
        probability: That of a change, before the trials are seen.
    """
    lengths = [length for length in _LENGTHS if length <= len(vectors)]
    return _choose(_compare(predictive, means, vectors, index, lengths), _penalty(probability))


def estimate_change(
    predictive: Predictive, means: FloatArray, vectors: FloatArray, index: IndexArray
) -> CommonChange:
    """Estimate how labelled trials differ that most probably do.

    Args:
        predictive: Of the trials before.
        means: Its class means, shape (n_classes × n_features).
        vectors: Two trials or more, shape (n_trials × n_features).
        index: The class of each, shape (n_trials,).
    """
    change = _choose(_compare(predictive, means, vectors, index, [len(vectors)]), penalty=0.0)
    return change or CommonChange(1.0, np.zeros(vectors.shape[1]), len(vectors))


def find_gain(predictive: Predictive, vectors: FloatArray, *, probability: float) -> CommonChange | None:
    """Find out whether the last trials, of unknown classes, have another gain than those before.

    Args:
        predictive: Of the trials before.
        vectors: The last trials, oldest first, shape (n_trials × n_features).
        probability: That of a change, before the trials are seen.
    """
    n_trials, n_features = vectors.shape
    scaled = (vectors / _GAINS[:, None, None]).reshape(-1, n_features)
    with_each = log_mixture(predictive, scaled).reshape(-1, n_trials) - n_features * _LOG_GAINS
    ratios = with_each - log_mixture(predictive, vectors)
    no_shift = np.zeros((len(_GAINS), n_features))
    lengths = (length for length in _LENGTHS if length <= n_trials)
    return _choose(((ratios[:, -length:], no_shift) for length in lengths), _penalty(probability))


def _compare(
    predictive: Predictive, means: FloatArray, vectors: FloatArray, index: IndexArray, lengths: list[int]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Log probability ratios of the last trials, with and without a change, and its shift, at each gain."""
    n_features, scaled = vectors.shape[1], vectors / _GAINS[:, None, None]
    unchanged = _log_own_density(predictive, vectors[None], index)
    of_gains = _log_own_density(predictive, scaled, index) - n_features * _LOG_GAINS - unchanged
    no_shift = np.zeros((len(_GAINS), n_features))
    for n in lengths:
        yield of_gains[:, -n:], no_shift
        apart = scaled[:, -n:] - means[index[-n:]]
        shifts = np.add.reduce(apart, axis=1) / n
        without_own = (n * shifts[:, None] - apart) / (n - 1)
        # A shift that was estimated from n - 1 trials adds its own variance to that of a trial.
        moved = _log_own_density(predictive, scaled[:, -n:] - without_own, index[-n:], n / (n - 1))
        yield moved - n_features * _LOG_GAINS - unchanged[:, -n:], shifts


def _choose(candidates: Iterable[tuple[FloatArray, FloatArray]], penalty: float) -> CommonChange | None:
    """The most probable change, if its trials speak for it together and not one of them alone."""
    best, change = 0.0, None
    for ratios, shifts in candidates:
        totals = np.add.reduce(ratios, axis=1) - penalty
        if penalty:
            totals[np.add.reduce(np.minimum(ratios, _MOST_OF_ONE), axis=1) <= penalty] = -np.inf
        at = int(totals.argmax())
        if totals[at] > best:
            best, change = float(totals[at]), CommonChange(float(_GAINS[at]), shifts[at], ratios.shape[1])
    return change


def _penalty(probability: float) -> float:
    return math.log(2 * len(_GAINS) / probability)


def _log_own_density(
    predictive: Predictive, vectors: FloatArray, index: IndexArray, widening: float = 1.0
) -> FloatArray:
    """Log joint density of vectors and their classes, shape (n_gains × n_vectors).

    Args:
        predictive: The prepared predictive.
        vectors: Shape (n_gains × n_vectors × n_features).
        index: The class of each, shape (n_vectors,).
        widening: Factor of the covariance.
    """
    n_gains, n_vectors, n_features = vectors.shape
    squared = squared_distances(predictive, vectors.reshape(-1, n_features))
    joint = log_joint(predictive, squared / widening, n_features) - 0.5 * n_features * math.log(widening)
    return np.asarray(joint.reshape(-1, n_gains, n_vectors)[index, :, np.arange(n_vectors)].T)
