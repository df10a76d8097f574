"""TrialEvidence: what the chunks of a trial say together."""

from __future__ import annotations

import numpy as np

from .._types import FloatArray
from ..data.metadata import BCIMetadata
from ..models.distinctness import measure_distinctness
from ..models.protocol import Decoder
from ..models.tempering import Tempers, log_ratios


class TrialEvidence:
    """The log posteriors of a trial's chunks, summed by their lengths.

    Args:
        tempers: How certain chunks are together. If None, all chunks together count as one: the posterior is
            their geometric mean. For a linear model of mean features it is that of all their samples.
    """

    __slots__ = ("_length", "_sums", "_tempers")

    def __init__(self, tempers: Tempers | None) -> None:
        self._tempers = tempers
        self.reset()

    def reset(self) -> None:
        """Discard the chunks so far."""
        self._length = 0.0
        self._sums: FloatArray | float = 0.0

    def add(self, log_posterior: FloatArray, n_samples: int) -> None:
        """Add a chunk.

        Args:
            log_posterior: Natural logarithm of each class's probability, shape (n_classes,).
            n_samples: Length of the chunk.
        """
        length = n_samples / (1 if self._tempers is None else self._tempers.chunk_size)
        self._sums = self._sums + length * log_posterior
        self._length += length

    def is_indistinct(self, decoder: Decoder, vector: FloatArray, metadata: BCIMetadata) -> bool:
        """Whether 95 % of the trials are farther from one without an effect by now; False if not learned.

        Args:
            decoder: The model.
            vector: Of all chunks together, shape (n_features,).
            metadata: Of the trial.
        """
        if self._tempers is None or not self._length:
            return False
        distinctness = measure_distinctness(decoder, vector[None], metadata)[0]
        return bool(distinctness < self._tempers.least_distinctness(self._length))

    def posterior(self, priors: FloatArray) -> FloatArray:
        """Probability of each class given the chunks so far, shape (n_classes,).

        Args:
            priors: Class priors of the model, shape (n_classes,).
        """
        if not self._length:
            return priors.copy()
        temper = 1.0 / self._length if self._tempers is None else self._tempers.at(self._length)
        return temper_product(self._sum_ratios(priors), priors, temper)

    def _sum_ratios(self, priors: FloatArray) -> FloatArray:
        """Log likelihood ratios of the chunks, summed by their lengths."""
        return self._length * log_ratios(np.asarray(self._sums / self._length), priors)


def temper_product(sums: FloatArray, priors: FloatArray, temper: float) -> FloatArray:
    """Probability of each class from summed log likelihood ratios.

    Args:
        sums: Shape (n_classes,).
        priors: Class priors, shape (n_classes,).
        temper: The power to which the product of the ratios is raised.

    Examples:
        >>> temper_product(np.log([3.0, 1.0]), np.array([0.25, 0.75]), 1.0)
        array([0.5, 0.5])
    """
    with np.errstate(divide="ignore"):
        joint = np.log(priors) + temper * sums
    joint -= joint.max()
    shares = np.exp(joint, out=joint)
    return np.asarray(shares / shares.sum())
