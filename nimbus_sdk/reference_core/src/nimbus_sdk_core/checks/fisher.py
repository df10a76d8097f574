"""Fisher scores: how well each feature separates the classes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, IndexArray
from ..data.bci_data import BCIData
from ..data.training_set import TrainingSet, read_training_set
from ..errors import CoreDataError


def compute_fisher_score(
    features: BCIData | npt.ArrayLike, labels: npt.ArrayLike | None = None
) -> FloatArray:
    """Fisher score of each feature: variance between the classes over variance within them.

    Source: R. O. Duda, P. E. Hart and D. G. Stork, Pattern Classification, 2nd edition (2001), section 3.8;
    for several classes each counts by its number of trials.

    Args:
        features: Labelled trials, or vectors of shape (n_trials × n_features).
        labels: Shape (n_trials,); only where ``features`` are vectors.

    Returns:
        Shape (n_features,); 0 separates nothing. A feature that is constant within every class and differs
        between them has an infinite score, one that is constant altogether 0.

    Raises:
        CoreDataError: No labels, fewer than two classes, or shapes that do not fit.

    Examples:
        >>> compute_fisher_score([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0], [6.0, 5.0]], [1, 1, 2, 2])
        array([4., 0.])
    """
    training = _read_training_set(features, labels)
    counts = np.bincount(training.index, minlength=len(training.classes))
    # One feature at a time: intermediate results are then no larger than the labels.
    return np.array([_score(values, training.index, counts) for values in training.vectors.T])


def rank_features_by_discriminability(
    features: BCIData | npt.ArrayLike, labels: npt.ArrayLike | None = None
) -> IndexArray:
    """Indices of the features, those that separate the classes best first.

    Args:
        features: As for `compute_fisher_score`.
        labels: Likewise.

    Raises:
        CoreDataError: As for `compute_fisher_score`.

    Examples:
        >>> rank_features_by_discriminability([[5.0, 0.0], [5.0, 2.0], [5.1, 4.0], [5.0, 6.0]], [1, 1, 2, 2])
        array([1, 0])
    """
    return np.argsort(-compute_fisher_score(features, labels), kind="stable")


def _score(values: FloatArray, index: IndexArray, counts: IndexArray) -> float:
    """Fisher score of one feature."""
    deviations = values - values.mean()
    means = np.bincount(index, deviations, len(counts)) / np.maximum(counts, 1)
    within, between = float(((deviations - means[index]) ** 2).sum()), float((counts * means * means).sum())
    # Rounding alone leaves deviations of this size in a constant feature.
    noise = len(values) * (1e-13 * float(np.abs(values).max())) ** 2
    if between <= noise:
        return 0.0
    return between / within if within > noise else math.inf


def _read_training_set(features: BCIData | npt.ArrayLike, labels: npt.ArrayLike | None) -> TrainingSet:
    if not isinstance(features, BCIData):
        if labels is None:
            raise CoreDataError("There are no labels.", "Give one for each row of the features.")
        return read_training_set(features, labels)
    if labels is not None:
        raise CoreDataError(
            "labels were given beside a BCIData.", "Give BCIData(features, metadata, labels)."
        )
    if features.labels is None:
        raise CoreDataError("The data have no labels.", "Give BCIData(features, metadata, labels).")
    return read_training_set(features.vectors(), features.labels)
