"""Reduction of the trials of a Dask array to vectors, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TypeAlias, cast

import numpy as np

from .._types import FeatureArray, FloatArray
from ..errors import CoreDataError
from .aggregate import aggregate
from .dask_arrays import DaskArray
from .features import read_features
from .metadata import BCIMetadata

BlockInfo: TypeAlias = Mapping[int | None, Mapping[str, Sequence[Sequence[int]]]]
"""What Dask passes as ``block_info``: for each argument, where its piece is in the whole array."""


class PieceAggregator:
    """Reduces the trials of a piece to vectors; an object instead of a function, so that it can be pickled.

    Attributes:
        metadata: What the features are.
    """

    __slots__ = ("metadata",)

    def __init__(self, metadata: BCIMetadata) -> None:
        self.metadata = metadata

    def __call__(self, features: FeatureArray, block_info: BlockInfo | None = None) -> FloatArray:
        """Reduce trials.

        Args:
            features: Shape (n_features × n_samples × n_trials).
            block_info: Where the piece is in the array, filled in by Dask.

        Returns:
            Shape (n_features × n_trials).

        Raises:
            CoreDataError: Values that cannot be used; the message says in which trials.
        """
        with piece_errors(block_info):
            checked = read_features(features, self.metadata)
            return aggregate(checked, self.metadata.temporal_aggregation).T


def aggregate_piecewise(features: FeatureArray, metadata: BCIMetadata) -> FloatArray:
    """Compute the vectors of the trials of a Dask array, which training needs in memory.

    Args:
        features: A Dask array (n_features × n_samples × n_trials), in one piece along features and samples.
        metadata: What the features are.

    Returns:
        Shape (n_trials × n_features).
    """
    vectors = import_module("dask.array").map_blocks(
        PieceAggregator(metadata),
        features,
        dtype=np.float64,
        drop_axis=1,
        chunks=((len(features),), count_piece_trials(features)),
        meta=np.empty((0, 0)),
    )
    computed: FloatArray = vectors.compute()
    return computed.T


def count_piece_trials(features: FeatureArray) -> tuple[int, ...]:
    """Number of trials in each piece of a Dask array of features."""
    return cast(DaskArray, features).chunks[2]


@contextmanager
def piece_errors(block_info: BlockInfo | None) -> Iterator[None]:
    """Add to a CoreDataError about a piece the numbers of its trials in the whole array.

    Args:
        block_info: Where the piece is in the array, filled in by Dask; if None, errors stay as they are.
    """
    try:
        yield
    except CoreDataError as error:
        if block_info is None:
            raise
        start, end = block_info[0]["array-location"][2]
        message = f"In trials {start} to {end - 1}: {error.message}"
        # The message counts trials from the start of the piece.
        counted = f" Trial 0 of these is trial {start} of all." if start else ""
        raise CoreDataError(message + counted, error.hint) from None
