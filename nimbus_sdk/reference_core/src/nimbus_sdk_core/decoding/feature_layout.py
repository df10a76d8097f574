"""Signs, over several trials, that features have another order or reference than in the training.

The order is compared with reversed ones by likelihood ratios, the best test there is between two descriptions
of the same trials: J. Neyman and E. S. Pearson, Phil. Trans. R. Soc. A 231 (1933). An average reference makes
channels add up to zero, exactly, which nothing else does.
"""

from __future__ import annotations

import math
from collections import deque
from functools import cache

import numpy as np

from .._types import FeatureArray, FloatArray, IndexArray
from ..data.aggregate import ConstantSignalError
from ..models.gaussian import GaussianClassifier
from ..models.pipeline import Pipeline
from ..models.protocol import Decoder
from ..stats.student_t import log_mixture

# Trials looked back upon, the log likelihood ratio of one of them at most, and of all of them at least for a
# sign, where the covariance is known: fewer than one stream of right ones in a hundred reaches it.
_TRIALS = 80
_MOST_OF_ONE = 5.0
_SIGN = 50.0

# The fewest trials that add up to zero, and what zero is, in standard deviations of the sum in the training.
_FEWEST_SUMS = 4
_ZERO = 1e-6

# Numbers in the reordered copies of a vector, for which there is time after each trial.
_MOST_NUMBERS = 2_048


class LayoutMonitor:
    """Compares the order and the reference of the features of trials with those of the training.

    Attributes:
        relative_error: By how much the covariance that was learned is off, averaged over directions.
    """

    __slots__ = ("_ratios", "_sums", "relative_error")

    def __init__(self) -> None:
        self._ratios: deque[FloatArray] = deque(maxlen=_TRIALS)
        self._sums: deque[bool] = deque(maxlen=_TRIALS)
        self.relative_error = 0.0

    def add(self, decoder: Decoder, vectors: FloatArray) -> None:
        """Look at the vector of a trial as it is, and in other orders: shape (n_orders × n_features)."""
        if not isinstance(decoder, GaussianClassifier):
            return
        densities = log_mixture(decoder.learned_.predictive, vectors)
        self._ratios.append(np.clip(densities[1:] - densities[0], -_MOST_OF_ONE, _MOST_OF_ONE))
        self.relative_error = _estimate_relative_error(decoder)
        self._sums.append(_adds_up_to_zero(decoder, vectors[0]))

    def problems(self) -> tuple[str, ...]:
        """What is unlike the training, and what to do about it, one text each."""
        found = []
        sign = _SIGN * (1.0 + self.relative_error)
        if self._ratios and np.add.reduce(np.array(self._ratios)).max() > sign:
            found.append(
                f"The last {len(self._ratios)} trials fit the training better in reverse order: compare the "
                "order of the channels, or of the features, with that of the training."
            )
        if len(self._sums) >= _FEWEST_SUMS and all(self._sums):
            found.append(
                f"The features of the last {len(self._sums)} trials add up to zero, as with an average "
                "reference, and those of the training did not: use the reference of the training."
            )
        return tuple(found)


def reorder_features(vector: FloatArray) -> FloatArray:
    """The vector of a trial as it is, reversed as a whole, by blocks and within them, one a row."""
    return vector[_orders(len(vector))]


def reverse_channels(pipeline: Pipeline, trial: FeatureArray) -> FloatArray | None:
    """The vector of a trial of raw channels as they are, and in reverse order, one a row.

    Args:
        pipeline: What reduces the channels to a vector.
        trial: Shape (n_channels × n_samples × 1).

    Returns:
        None if a component does not vary in one of the orders, so that it has no logarithm of a variance.
    """
    try:
        return pipeline.vectors(np.concatenate([trial, trial[::-1]], axis=2))
    except ConstantSignalError:
        return None


@cache
def _orders(n_features: int) -> IndexArray:
    """The order as it is, reversed as a whole, by blocks of equal length, and within them: one a row."""
    as_is = np.arange(n_features)
    orders = [as_is, as_is[::-1]]
    for n_blocks in range(2, n_features):
        if n_features % n_blocks == 0:
            by_block = as_is.reshape(n_blocks, -1)
            orders += [by_block[::-1].ravel(), by_block[:, ::-1].ravel()]
    return np.array(orders[: max(2, _MOST_NUMBERS // n_features)])


def _estimate_relative_error(model: GaussianClassifier) -> float:
    """The mean squared deviation of a whitened covariance from identity: that of an inverse-Wishart."""
    posterior = model.learned_.posterior
    n_features = posterior.means.shape[1]
    return float((n_features + 1.0) / max(float(np.minimum.reduce(posterior.dof)) - n_features - 1.0, 1.0))


def _adds_up_to_zero(model: GaussianClassifier, vector: FloatArray) -> bool:
    """Whether the features of a trial add up to zero although those of the training varied in their sum."""
    moments = model.learned_.moments
    of_sum = float(moments.scatters.sum())
    if of_sum <= _ZERO * float(np.trace(moments.scatters, axis1=1, axis2=2).sum()):
        return False
    deviation = math.sqrt(of_sum / max(float(moments.counts.sum()), 1.0))
    return abs(float(np.add.reduce(vector))) < _ZERO * deviation
