"""Normalization of features, with parameters learned from the training data alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from .._repr import Summary, format_html_table, format_line
from .._types import FeatureArray, FloatArray
from ..errors import CoreDataError
from .argument_checks import check_choice, check_kind
from .bci_data import BCIData
from .dask_arrays import is_dask_array, read_dask_features, require_in_memory
from .features import check_finite
from .labels import check_not_masked

Normalization: TypeAlias = Literal["zscore", "minmax", "robust", "none"]
Features = TypeVar("Features", BCIData, npt.ArrayLike)

# The standard deviation of a normal distribution in units of its median absolute deviation.
_DEVIATION_PER_MAD = 1.482602218505602


@dataclass(frozen=True, slots=True, eq=False)
class NormalizationParams:
    """Parameters that put features on one scale; store them with the model. Names follow NimbusSDK.jl.

    Attributes:
        method: How `apply_normalization` uses them.
        means: Mean of each feature over samples and trials, shape (n_features,).
        stds: Standard deviation, likewise.
        mins: Smallest value, likewise.
        maxs: Largest value, likewise.
        medians: Median, likewise.
        mads: Median distance to the median, likewise.
        computed_from_n_trials: How many trials they were learned from.
    """

    method: Normalization
    means: FloatArray
    stds: FloatArray
    mins: FloatArray
    maxs: FloatArray
    medians: FloatArray
    mads: FloatArray
    computed_from_n_trials: int

    def __repr__(self) -> str:
        return format_line("NormalizationParams", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("NormalizationParams", self._summary())

    def _summary(self) -> Summary:
        return [
            ("method", self.method),
            ("features", str(len(self.means))),
            ("learned from", f"{self.computed_from_n_trials} trials"),
        ]


def estimate_normalization_params(
    features: BCIData | npt.ArrayLike, *, method: Normalization = "zscore"
) -> NormalizationParams:
    """Learn from training data how to put their features on one scale.

    Learn on training or calibration data only, and apply the same numbers to everything that the model reads
    later: parameters learned from the test data would leak these into the model.

    Args:
        features: Trials, or an array of shape (n_features × n_samples × n_trials).
        method: ``"zscore"``: mean 0, standard deviation 1. ``"minmax"``: from 0 to 1. ``"robust"``: median
            0, and a median absolute deviation as that of a standard normal. ``"none"``: left as they are.

    Raises:
        CoreDataError: An unknown method, no trials, another number of axes, values that are not finite, or a
            Dask or masked array.

    Examples:
        >>> params = estimate_normalization_params([[[1.0, 3.0]], [[10.0, 30.0]]])
        >>> params.means, params.stds
        (array([ 2., 20.]), array([ 1., 10.]))
    """
    check_choice("method", method, get_args(Normalization))
    array = _read_array(features)
    require_in_memory(array)
    if not array[0].size:
        raise CoreDataError(f"features have shape {array.shape}: nothing to learn from.", "Give trials.")
    # One feature at a time, so that a memory map is never copied as a whole.
    statistics = np.array([_compute_statistics(values) for values in array]).T
    if not np.isfinite(statistics).all():
        raise CoreDataError("features hold values that are not finite.", "Drop or repair these trials first.")
    means, stds, mins, maxs, medians, mads = statistics
    return NormalizationParams(method, means, stds, mins, maxs, medians, mads, array.shape[2])


def apply_normalization(features: Features, params: NormalizationParams) -> Features:
    """Put features on the scale that `estimate_normalization_params` learned.

    A feature that did not vary in training is only shifted, not scaled.

    Args:
        features: Trials, an array of shape (n_features × n_samples × n_trials), or a chunk of a stream,
            (n_features × n_samples).
        params: From `estimate_normalization_params`.

    Returns:
        The same kind as given, with the same metadata and labels; of a Dask array, a Dask array.

    Raises:
        CoreTypeError: ``params`` are not NormalizationParams.
        CoreDataError: Another number of features than the parameters have, values that are not finite, or a
            masked array. The values of a Dask array are checked when they are decoded.

    Examples:
        >>> params = estimate_normalization_params([[[1.0, 3.0]], [[10.0, 30.0]]], method="minmax")
        >>> apply_normalization([[[2.0]], [[40.0]]], params)
        array([[[0.5]],
        <BLANKLINE>
               [[1.5]]])
    """
    check_kind("params", params, NormalizationParams, "Give what estimate_normalization_params() returned.")
    array: FeatureArray = _read_array(features, least_axes=2)
    if not is_dask_array(features) and not isinstance(features, BCIData):
        check_finite(array)
    scaled = scale_features(array, params)
    if isinstance(features, BCIData):
        return BCIData(scaled, features.metadata, features.labels)
    return cast(Features, scaled)


def scale_features(array: FeatureArray, params: NormalizationParams) -> FeatureArray:
    """As `apply_normalization`, of features that are checked already.

    Raises:
        CoreDataError: Another number of features than the parameters have.
    """
    if len(array) != len(params.means):
        raise CoreDataError(
            f"features have shape {array.shape}, the parameters are those of {len(params.means)} features.",
            "Prepare the features as those that the parameters were learned from.",
        )
    centre, width = _centre_and_width(params)
    along = (slice(None), *[None] * (array.ndim - 1))
    return cast(FeatureArray, (array - centre[along]) / width[along])


def _read_array(features: BCIData | npt.ArrayLike, *, least_axes: int = 3) -> FeatureArray:
    if isinstance(features, BCIData):
        return features.features
    hint = "Give BCIData, or an array (n_features × n_samples × n_trials)."
    if is_dask_array(features):
        return read_dask_features(features)
    check_not_masked("features", features)
    try:
        array = np.asarray(features)
    except ValueError:
        raise CoreDataError("features are ragged: rows of unequal length.", hint) from None
    if not least_axes <= array.ndim <= 3 or array.dtype.kind not in "iuf" or not len(array):
        raise CoreDataError(f"features are {array.dtype} of shape {array.shape}, expected 3 axes.", hint)
    return array


def _compute_statistics(values: FeatureArray) -> tuple[float, ...]:
    median = float(np.median(values))
    return (
        float(values.mean(dtype=np.float64)),
        float(values.std(dtype=np.float64)),
        float(values.min()),
        float(values.max()),
        median,
        float(np.median(np.abs(values - median))),
    )


def _centre_and_width(params: NormalizationParams) -> tuple[FloatArray, FloatArray]:
    """Return what to subtract from each feature and what to divide it by."""
    centre, width = {
        "zscore": (params.means, params.stds),
        "minmax": (params.mins, params.maxs - params.mins),
        "robust": (params.medians, _DEVIATION_PER_MAD * params.mads),
        "none": (np.zeros_like(params.means), np.ones_like(params.means)),
    }[params.method]
    # Rounding alone leaves deviations of this size in a constant feature.
    varies = width > 1e-13 * np.maximum(np.abs(centre), np.abs(params.maxs))
    return centre, np.where(varies, width, 1.0)
