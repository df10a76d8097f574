"""How well posteriors agree with labels, defined as in scikit-learn's metrics of the same names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._types import FeatureArray, FloatArray, IndexArray

_SMALLEST = np.finfo(np.float64).eps


def balanced_accuracy(posteriors: FeatureArray, truth: IndexArray) -> float:
    """Mean over the classes that occur of the share of their trials that are predicted right.

    Args:
        posteriors: Shape (n_trials × n_classes), one trial or more.
        truth: Index of each trial's class, shape (n_trials,).

    Examples:
        >>> balanced_accuracy(np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), np.array([0, 0, 1]))
        0.5
    """
    counts = _count_pairs(posteriors, truth)
    occurring = counts.sum(axis=1) > 0
    return float(np.mean(counts.diagonal()[occurring] / counts.sum(axis=1)[occurring]))


def cohen_kappa(posteriors: FeatureArray, truth: IndexArray) -> float:
    """Agreement of predictions and labels beyond chance: 1 complete, 0 that of chance; NaN for one class.

    Source: J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement
    20 (1960).

    Args:
        posteriors: Shape (n_trials × n_classes), one trial or more.
        truth: Index of each trial's class, shape (n_trials,).

    Examples:
        >>> round(cohen_kappa(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 1, 1])), 3)
        0.4
    """
    shares = _count_pairs(posteriors, truth) / len(truth)
    by_chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    return (float(shares.trace()) - by_chance) / (1.0 - by_chance) if by_chance < 1.0 else float("nan")


def roc_auc(posteriors: FeatureArray, truth: IndexArray) -> float:
    """Area under the receiver operating characteristic; for several classes the mean of one against rest.

    It is the share of pairs of trials, one of the class and one of another, whose probabilities of the class
    are in the right order, ties counted half: J. A. Hanley and B. J. McNeil, The meaning and use of the area
    under a receiver operating characteristic (ROC) curve, Radiology 143 (1982). NaN where one class occurs.

    Args:
        posteriors: Shape (n_trials × n_classes), one trial or more.
        truth: Index of each trial's class, shape (n_trials,).

    Examples:
        >>> roc_auc(np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]), np.array([0, 1, 0]))
        0.5
    """
    n_classes = posteriors.shape[1]
    columns = range(1, 2) if n_classes == 2 else range(n_classes)
    areas = [_area_under_curve(posteriors[:, k], truth == k) for k in columns]
    defined = [area for area in areas if area == area]
    return float(np.mean(defined)) if defined else float("nan")


def log_loss(posteriors: FeatureArray, truth: IndexArray) -> float:
    """Mean negative natural logarithm of the true class's probability, which counts as 2e-16 at least.

    Args:
        posteriors: Shape (n_trials × n_classes), one trial or more.
        truth: Index of each trial's class, shape (n_trials,).

    Examples:
        >>> round(log_loss(np.array([[0.5, 0.5]]), np.array([0])), 3)
        0.693
    """
    return float(-np.log(np.maximum(_of_truth(posteriors, truth), _SMALLEST)).mean())


def brier_score(posteriors: FeatureArray, truth: IndexArray) -> float:
    """Mean squared error of the probabilities, summed over the classes, of two classes for the second only.

    Source: G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review
    78 (1950).

    Args:
        posteriors: Shape (n_trials × n_classes), one trial or more.
        truth: Index of each trial's class, shape (n_trials,).

    Examples:
        >>> brier_score(np.array([[0.5, 0.5]]), np.array([0])), brier_score(np.eye(3), np.array([0, 1, 2]))
        (0.25, 0.0)
    """
    squares = (posteriors * posteriors).sum(axis=1) + 1.0 - 2.0 * _of_truth(posteriors, truth)
    return float(squares.mean()) * (0.5 if posteriors.shape[1] == 2 else 1.0)


def _of_truth(posteriors: FeatureArray, truth: IndexArray) -> FloatArray:
    return posteriors[np.arange(len(truth)), truth].astype(np.float64)


def _count_pairs(posteriors: FeatureArray, truth: IndexArray) -> npt.NDArray[np.intp]:
    """Number of trials of each class and prediction, shape (n_classes × n_classes)."""
    n_classes = posteriors.shape[1]
    pairs = truth * n_classes + posteriors.argmax(axis=1)
    return np.bincount(pairs, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def _area_under_curve(scores: FeatureArray, is_positive: npt.NDArray[np.bool_]) -> float:
    n_positive = int(is_positive.sum())
    n_negative = len(scores) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * (counts - 1.0)
    excess = ranks[place][is_positive].sum() - 0.5 * n_positive * (n_positive + 1.0)
    return float(excess / (n_positive * n_negative))
