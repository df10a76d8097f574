"""What is done with one piece of a batch, wherever it lies: sent to the workers of a cluster.

These are objects and no functions, so that pickle can be taught how to bring them to another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from .aggregate import aggregate
from .arrays import FeatureArray, FloatArray
from .data import BCIData
from .decoder import Decoder
from .diagnosis import diagnose
from .errors import CoreDataError
from .metadata import BCIMetadata

ROWS = ("best", "confidences", "entropy", "distances", "outlier_scores")
"""What stands below the posteriors in the table of a scored piece."""

BlockInfo: TypeAlias = Mapping[int | None, Mapping[str, Sequence[Sequence[int]]]]


class PieceAggregator:
    """Makes vectors of the trials of a piece.

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
            block_info: Where the piece lies, as Dask tells.

        Returns:
            Shape (n_features × n_trials).

        Raises:
            CoreDataError: Values that cannot be used; the message says in which trials.
        """
        return _located(lambda: aggregate(BCIData(features, self.metadata)).T, block_info)


class PieceScorer:
    """Decodes the trials of a piece.

    Attributes:
        model: A trained model.
        metadata: What the features are.
    """

    __slots__ = ("metadata", "model")

    def __init__(self, model: Decoder, metadata: BCIMetadata) -> None:
        self.model = model
        self.metadata = metadata

    def __call__(self, features: FeatureArray, block_info: BlockInfo | None = None) -> FloatArray:
        """Score trials.

        Args:
            features: Shape (n_features × n_samples × n_trials).
            block_info: Where the piece lies, as Dask tells.

        Returns:
            Posteriors of each class, and below them what `ROWS` says, shape (n_classes + 5 × n_trials).

        Raises:
            CoreDataError: Values that cannot be used; the message says in which trials.
        """
        return _located(lambda: self._table(features), block_info)

    def _table(self, features: FeatureArray) -> FloatArray:
        found = diagnose(self.model, aggregate(BCIData(features, self.metadata)))
        return np.vstack([found.posteriors, *(getattr(found, row) for row in ROWS)])


def _located(work: Callable[[], FloatArray], block_info: BlockInfo | None) -> FloatArray:
    try:
        return work()
    except CoreDataError as fault:
        if block_info is None:
            raise
        start, end = block_info[0]["array-location"][2]
        message = f"In trials {start} to {end - 1}: {fault.message}"
        # What was said of a trial counts from the start of the piece.
        counted = f" Trial 0 of these is trial {start} of all." if start else ""
        raise CoreDataError(message + counted, fault.hint) from None
