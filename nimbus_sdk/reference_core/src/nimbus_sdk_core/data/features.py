"""Features as an array: its type, its axes and its values, checked against the metadata."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .._types import FeatureArray
from ..errors import CoreDataError
from .labels import check_not_masked
from .metadata import BCIMetadata, filters_hint

# Of at most so many numbers, looking at each one takes half the time of a sum.
_FEW_NUMBERS = 2**16

_AXES = "(n_features × n_samples × n_trials)"


def read_features(features: npt.ArrayLike, metadata: BCIMetadata) -> FeatureArray:
    """Read features in memory, and check them against their metadata; the array given is not locked.

    Args:
        features: Shape (n_features × n_samples × n_trials).
        metadata: What the features are.

    Returns:
        A read-only view, float64 or float32, or of a memory map whatever real numbers it holds; a copy only
        where the numbers are of another type and in memory.

    Raises:
        CoreDataError: A wrong axis, no real numbers, or a value that is not finite.
    """
    checked = _as_floats(features)
    check_axes(checked, metadata)
    check_finite(checked)
    view = checked.view()
    view.flags.writeable = False
    return view


def _as_floats(features: npt.ArrayLike) -> FeatureArray:
    """Read features as float64 or float32; a memory map of other real numbers stays as it is, on disk."""
    if type(features) is np.ndarray and features.dtype == np.float64:
        return features
    check_not_masked("features", features)
    try:
        array = np.asarray(features)
    except ValueError:
        raise CoreDataError(
            "features are ragged: rows of unequal length.", f"Give one array {_AXES}."
        ) from None
    if array.dtype.kind not in "iuf":
        raise CoreDataError(f"features are of type {array.dtype}, not real numbers.", "Give floats.")
    if is_memory_map(features):
        return array
    target = np.float32 if array.dtype == np.float32 else np.float64
    return array.astype(target, copy=False)


def is_memory_map(values: object) -> bool:
    """Whether an array, or what it is a view of, is a memory map.

    Examples:
        >>> is_memory_map(np.zeros(3))
        False
    """
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap):
            return True
        values = values.base
    return False


def check_axes(features: FeatureArray, metadata: BCIMetadata) -> None:
    """Raise CoreDataError unless number and lengths of the axes agree with the metadata."""
    if features.ndim != 3:
        hint = f"Give three axes {_AXES}"
        hint += "; for one sample per trial use features[:, np.newaxis, :]." if features.ndim == 2 else "."
        axes = "axis" if features.ndim == 1 else "axes"
        raise CoreDataError(
            f"features have {features.ndim} {axes}, shape {features.shape}, expected 3.", hint
        )
    n_features = metadata.n_features
    if features.shape[0] != n_features:
        hint = f"The axes are {_AXES}, and metadata.n_features is {n_features}."
        if n_features in features.shape[1:]:
            axis = features.shape.index(n_features)
            hint += f" Axis {axis} has that length: np.moveaxis(features, {axis}, 0) may be what you mean."
        else:
            hint += filters_hint(metadata)
        raise CoreDataError(
            f"Axis 0 of features has length {features.shape[0]}, expected {n_features} (n_features); "
            f"found shape {features.shape}.",
            hint,
        )
    _check_samples(features.shape, metadata)


def _check_samples(shape: tuple[int, ...], metadata: BCIMetadata) -> None:
    method, n_samples = metadata.temporal_aggregation, shape[1]
    if n_samples == 0:
        raise CoreDataError(
            f"Axis 1 of features (n_samples) is empty; found shape {shape}.", "Give at least one sample."
        )
    if method == "none" and n_samples != 1 and metadata.feature_type != "raw_filtered":
        raise CoreDataError(
            f"temporal_aggregation is 'none', so axis 1 of features (n_samples) must have length 1, "
            f"but it has {n_samples}; found shape {shape}.",
            "Name how samples become one vector ('mean', 'median', 'logvar'), or reduce them yourself.",
        )
    if method == "logvar" and n_samples < 2:
        raise CoreDataError(
            f"temporal_aggregation is 'logvar', so axis 1 of features (n_samples) must be 2 or longer, "
            f"but it has {n_samples}; found shape {shape}.",
            "A variance needs two samples: use 'none' for features that are log-variances already.",
        )


def check_finite(features: FeatureArray) -> None:
    """Raise CoreDataError if features (n_features × n_samples, or × n_trials too) hold NaN or infinity."""
    if features.dtype.kind in "iu" or (features.size <= _FEW_NUMBERS and np.isfinite(features).all()):
        return
    # One pass without a temporary: a sum is finite only if every term is (or the terms are huge).
    with np.errstate(all="ignore"):
        if math.isfinite(features.sum(dtype=np.result_type(features, np.float32))):
            return
    # One feature at a time, so that a memory map is never copied as a whole.
    counts = [np.count_nonzero(~np.isfinite(feature)) for feature in features]
    if not any(counts):
        return
    first = next(k for k, count in enumerate(counts) if count)
    place = np.unravel_index(int(np.argmax(~np.isfinite(features[first]))), features.shape[1:])
    position = [first, *(int(index) for index in place)]
    where = ", ".join(
        f"{axis} {index}" for axis, index in zip(("feature", "sample", "trial"), position, strict=False)
    )
    raise CoreDataError(
        f"features hold {sum(counts)} value(s) that are NaN or infinite, the first "
        f"({features[tuple(position)]}) at {where}, counted from 0.",
        "Drop or repair these trials first: a classifier cannot weigh what was not measured.",
    )
