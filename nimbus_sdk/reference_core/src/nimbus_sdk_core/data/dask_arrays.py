"""Dask arrays as features, recognised without importing Dask."""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from .._types import FeatureArray
from ..errors import CoreDataError
from .argument_checks import is_instance_of


class DaskArray(Protocol):
    """The part of a Dask array that this package uses."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of a NumPy array."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """As of a NumPy array."""
        ...

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Lengths of the pieces along each axis."""
        ...

    def compute(self) -> npt.NDArray[np.generic]:
        """The array itself."""
        ...


def is_dask_array(features: object) -> bool:
    """Whether something is a Dask array.

    Examples:
        >>> is_dask_array(np.zeros(3))
        False
    """
    return is_instance_of(features, "dask.array", "Array")


def require_in_memory(features: object) -> None:
    """Raise CoreDataError if features are a Dask array where arrays in memory are needed."""
    if is_dask_array(features):
        raise CoreDataError(
            "features are a Dask array, which is computed only when it is needed.",
            "Give a part that fits into memory: BCIData(features[..., :1000].compute(), metadata).",
        )


def read_dask_features(features: object) -> FeatureArray:
    """Read a Dask array as features: in one piece along features and samples, in pieces along trials.

    The values are checked piece by piece, when they are computed.

    Raises:
        CoreDataError: Unknown lengths, pieces that are not NumPy arrays, or numbers that are not real.
    """
    array = cast(DaskArray, features)
    if any(np.isnan(length) for length in array.shape):
        raise CoreDataError(
            f"features are a Dask array whose shape {array.shape} is not known yet.",
            "Call features.compute_chunk_sizes() first.",
        )
    pieces: object = getattr(features, "_meta", None)
    if not isinstance(pieces, np.ndarray) or is_instance_of(pieces, "numpy.ma", "MaskedArray"):
        raise CoreDataError(
            f"features are a Dask array of {type(pieces).__name__}, not of NumPy arrays.",
            "Use features.map_blocks(numpy.asarray) after filling or dropping what is missing.",
        )
    if array.dtype.kind not in "iuf":
        raise CoreDataError(f"features are of type {array.dtype}, not real numbers.", "Give floats.")
    whole = dict.fromkeys(range(len(array.shape) - 1), -1)
    return cast(FeatureArray, features.rechunk(whole))  # type: ignore[attr-defined]
