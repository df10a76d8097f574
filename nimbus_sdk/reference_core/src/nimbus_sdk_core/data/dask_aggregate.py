"""Vectors of the trials of a Dask array, piece by piece, and errors that say which trials they are about."""

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
    """Makes vectors of the trials of a piece. An object and no function, so that it can be pickled.

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
    """Make vectors of the trials of a Dask array, now: they are what training keeps in memory.

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
    """Say in a CoreDataError about a piece which trials of the whole array it is about.

    Args:
        block_info: Where the piece is in the array, filled in by Dask; None changes nothing.
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
