"""Reduction of the samples of each trial to one feature vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np

from .._types import FeatureArray, FloatArray
from ..errors import CoreDataError
from .metadata import TemporalAggregation

# Numbers in one piece; with its temporaries it takes a few megabytes.
_PIECE_NUMBERS = 2**18

# Rounding error of a constant minus its mean, relative to the constant.
_ROUNDING = 1e-13


class ConstantSignalError(CoreDataError):
    """A signal does not vary, so that the logarithm of its variance does not exist."""


def aggregate(features: FeatureArray, method: TemporalAggregation) -> FloatArray:
    """Reduce each trial to one vector.

    Args:
        features: Checked features in memory, shape (n_features × n_samples × n_trials).
        method: How the samples of a trial become one vector.

    Returns:
        Shape (n_trials × n_features), float64.

    Raises:
        CoreDataError: ``"logvar"`` where a feature does not vary within a trial, or by more than 1e150.

    Examples:
        >>> aggregate(np.array([[[1.0, 5.0], [3.0, 7.0]]]), "mean")
        array([[2.],
               [6.]])
    """
    return _METHODS[method](features).T


def aggregate_or_view(features: FeatureArray, method: TemporalAggregation) -> FeatureArray:
    """As `aggregate`, but features of one sample per trial are not copied, whatever their type.

    For callers that convert block by block what may be a file much larger than the memory.

    Raises:
        CoreDataError: ``"logvar"`` where a feature does not vary within a trial, or by more than 1e150.
    """
    if method == "none":
        return _only_sample(features).T
    return aggregate(features, method)


def join_vectors(vectors: FloatArray, lengths: FloatArray, method: TemporalAggregation) -> FloatArray:
    """Join the vectors of consecutive pieces of a trial to the vector of the trial, shape (n_features,).

    It is exact for ``"mean"``. Of medians the mean is taken, and of logarithms of variances that of the
    variances, which leaves out how the pieces' means differ.

    Args:
        vectors: Shape (n_pieces × n_features).
        lengths: Samples of each piece, shape (n_pieces,).
        method: How the samples of a piece became one vector.

    Examples:
        >>> join_vectors(np.array([[1.0], [4.0]]), np.array([2.0, 1.0]), "mean")
        array([2.])
    """
    shares = lengths / lengths.sum()
    return np.asarray(np.log(shares @ np.exp(vectors)) if method == "logvar" else shares @ vectors)


def _mean(features: FeatureArray) -> FloatArray:
    # As ``mean``, without its checks.
    return np.asarray(np.add.reduce(features, axis=1, dtype=np.float64) / features.shape[1])


def _median(features: FeatureArray) -> FloatArray:
    return _reduce_in_pieces(_sorted_median, features)


def _sorted_median(features: FeatureArray) -> FloatArray:
    """As ``np.median`` over samples, but by sorting: for trials of hundreds of samples that is faster."""
    rows = np.moveaxis(features, 1, -1).copy()
    rows.sort()
    low, high = (rows[..., at].astype(np.float64) for at in ((rows.shape[-1] - 1) // 2, rows.shape[-1] // 2))
    return np.asarray(0.5 * low + 0.5 * high)


def _single_sample(features: FeatureArray) -> FloatArray:
    return _only_sample(features).astype(np.float64, copy=False)


def _only_sample(features: FeatureArray) -> FeatureArray:
    if features.shape[1] != 1:
        raise CoreDataError(
            f"How the {features.shape[1]} samples of a trial become one vector is not known.",
            "Give temporal_aggregation ('logvar' for rhythms, 'mean' or 'median' for levels), or "
            "feature_type='erp' if each sample is to be a feature. Raw channels as they are, are read by a "
            "Pipeline.",
        )
    return features[:, 0, :]


def _logvar(features: FeatureArray) -> FloatArray:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        logarithms = np.log(_reduce_in_pieces(_variance, features))
    if not np.isfinite(logarithms).all():
        _raise_logvar_error(logarithms)
    return np.asarray(logarithms)


def _raise_logvar_error(logarithms: FloatArray) -> NoReturn:
    feature, trial = (int(at) for at in np.argwhere(~np.isfinite(logarithms))[0])
    if logarithms[feature, trial] == -np.inf:
        raise ConstantSignalError(
            f"Feature {feature} does not vary within trial {trial} (both counted from 0): "
            "the logarithm of its variance does not exist.",
            "Leave out constant channels and trials, or use another temporal_aggregation.",
        )
    raise CoreDataError(
        f"Feature {feature} varies by so much within trial {trial} (indices on axes 0 and 2 of features, "
        "counted from 0) that its variance exceeds the range of a float64.",
        "Use larger units, so that the features stay below 1e150.",
    )


def _variance(features: FeatureArray) -> FloatArray:
    """Variance over samples; 0 where it is no larger than the rounding error of a constant."""
    mean = _mean(features)
    deviations = features - mean[:, None]
    variances = _mean(np.multiply(deviations, deviations, out=deviations))
    mean *= _ROUNDING
    variances *= variances > mean * mean
    return variances


def _reduce_in_pieces(reduce: Callable[[FeatureArray], FloatArray], features: FeatureArray) -> FloatArray:
    """Reduce the sample axis with temporaries of a few megabytes, whatever the size of the features."""
    if features.size <= _PIECE_NUMBERS:
        return reduce(features)
    n_features, n_samples, n_trials = features.shape
    rows, columns = max(1, _PIECE_NUMBERS // (n_samples * n_trials or 1)), max(1, _PIECE_NUMBERS // n_samples)
    reduced = np.empty((n_features, n_trials))
    for first in range(0, n_features, rows):
        for start in range(0, n_trials, columns):
            piece = features[first : first + rows, :, start : start + columns]
            reduced[first : first + rows, start : start + columns] = reduce(piece)
    return reduced


_METHODS: dict[TemporalAggregation, Callable[[FeatureArray], FloatArray]] = {
    "mean": _mean,
    "median": _median,
    "logvar": _logvar,
    "none": _single_sample,
}
