"""Scores of a batch of trials: posteriors, confidences, entropy, distances and outlier scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._types import FeatureArray, FloatArray, IndexArray
from ..stats.blocked import blocks
from ..stats.student_t import Scores
from .protocol import Decoder

OUTLIER_SCORE = 3.0
"""About one clean trial in 700 has a higher outlier score."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchScores:
    """Scores of each trial, for which no label is needed.

    Attributes:
        best: Index of the most probable class in ``classes_``, shape (n_trials,).
        posteriors: Probability of each class, shape (n_classes × n_trials).
        confidences: Probability of the most probable class, shape (n_trials,).
        entropy: Entropy of the posterior in bits, shape (n_trials,).
        distances: Mahalanobis distance to the nearest class, shape (n_trials,).
        outlier_scores: How unusual that distance is, in standard deviations, shape (n_trials,).
    """

    best: IndexArray
    posteriors: FeatureArray
    confidences: FloatArray
    entropy: FloatArray
    distances: FloatArray
    outlier_scores: FloatArray


def score_batch(
    model: Decoder, vectors: FeatureArray, dtype: type[np.float64 | np.float32] = np.float64
) -> BatchScores:
    """Score a batch, block by block.

    Args:
        model: A trained model.
        vectors: Shape (n_trials × n_features), in any memory order.
        dtype: Of the posteriors.

    Raises:
        CoreDataError: Values that are not finite or too large.
    """
    n_trials, n_classes = len(vectors), len(model.classes_)
    batch = BatchScores(
        best=np.empty(n_trials, np.intp),
        posteriors=np.empty((n_classes, n_trials), dtype),
        **{name: np.empty(n_trials) for name in ("confidences", "entropy", "distances", "outlier_scores")},
    )
    for block in blocks(n_trials):
        scores = model.score_trials(vectors[block])
        _write_posteriors(batch, block, scores)
        _write_distances(batch, block, scores, model.n_features_in_)
    return batch


def posteriors(model: Decoder, vectors: FloatArray) -> FloatArray:
    """Probability of each class for a batch, shape (n_classes × n_trials), block by block.

    Args:
        model: A trained model.
        vectors: Shape (n_trials × n_features), in any memory order.

    Raises:
        CoreDataError: Values that are not finite or too large.
    """
    return _score_blocks(model, vectors, lambda scores: scores.posteriors)


def log_posteriors(model: Decoder, vectors: FloatArray) -> FloatArray:
    """Natural logarithms of `posteriors`, finite also where these are too small for a float."""
    return _score_blocks(model, vectors, lambda scores: scores.log_posteriors)


def _score_blocks(model: Decoder, vectors: FloatArray, select: Callable[[Scores], FloatArray]) -> FloatArray:
    result = np.empty((len(model.classes_), len(vectors)))
    for block in blocks(len(vectors)):
        result[:, block] = select(model.score_trials(vectors[block])).T
    return result


def _write_posteriors(batch: BatchScores, block: slice, scores: Scores) -> None:
    posteriors = scores.posteriors.T
    batch.posteriors[:, block] = posteriors
    confidences = np.maximum.reduce(posteriors, out=batch.confidences[block])
    # How many rows are less than the largest, before the first that is not. Row against row: argmax over a
    # short axis takes four times as long.
    is_less = (posteriors < confidences).view(np.int8)
    best: npt.NDArray[np.integer] = np.zeros(len(confidences), np.int8 if len(posteriors) < 128 else np.intp)
    for row in is_less[-2::-1]:
        best += 1
        best *= row
    batch.best[block] = best
    entropy = batch.entropy[block]
    np.einsum("ij,ij->j", posteriors, scores.log_posteriors.T, out=entropy)
    entropy /= -math.log(2.0)
    np.maximum(entropy, 0.0, out=entropy)


def _write_distances(batch: BatchScores, block: slice, scores: Scores, n_features: int) -> None:
    """Distance to the nearest class, and how unusual it is.

    For x ~ t(m, Λ, ν) in D dimensions, d²/D follows F(D, ν). Its cube root is nearly normal, which gives a
    standard score without tables: Paulson's approximation, Abramowitz & Stegun, Handbook of Mathematical
    Functions, 26.6.15.
    """
    squared, dof = _find_nearest_class(scores)
    np.sqrt(squared, out=batch.distances[block])
    of_data, of_model = 2.0 / (9.0 * n_features), 2.0 / (9.0 * dof)
    squared /= n_features
    root = np.cbrt(squared, out=squared)
    score = np.multiply(root, 1.0 - of_model, out=batch.outlier_scores[block])
    score -= 1.0 - of_data
    root *= root
    root *= of_model
    root += of_data
    score /= np.sqrt(root, out=root)


def standardize_distance(scores: Scores, n_features: int) -> float:
    """The outlier score of the only vector in ``scores``; with Python's numbers, which are faster for one."""
    squares = scores.squared_distances[0].tolist()
    nearest = min(range(len(squares)), key=squares.__getitem__)
    of_data, of_model = 2.0 / (9.0 * n_features), 2.0 / (9.0 * float(scores.dof[nearest]))
    root = math.cbrt(squares[nearest] / n_features)
    return (root * (1.0 - of_model) - (1.0 - of_data)) / math.sqrt(root * root * of_model + of_data)


def _find_nearest_class(scores: Scores) -> tuple[FloatArray, FloatArray]:
    """Squared distance to the nearest class, and the degrees of freedom of that class."""
    rows, dof = scores.squared_distances.T, scores.dof
    if (dof == dof[0]).all():
        return rows.min(axis=0), dof[0]
    nearest, of_nearest = rows[0].copy(), np.full(rows.shape[1], dof[0])
    for k in range(1, len(rows)):
        np.copyto(of_nearest, dof[k], where=rows[k] < nearest)
        np.minimum(rows[k], nearest, out=nearest)
    return nearest, of_nearest
