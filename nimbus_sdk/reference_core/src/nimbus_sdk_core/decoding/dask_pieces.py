"""Scoring of one piece of a batch, on a worker of a cluster.

The scorer is an object instead of a function, so that it can be pickled with the model.
"""

from __future__ import annotations

import numpy as np

from .._types import FeatureArray, FloatArray
from ..data.aggregate import aggregate
from ..data.dask_aggregate import BlockInfo, piece_errors
from ..data.features import read_features
from ..data.metadata import BCIMetadata
from ..models.protocol import Decoder
from ..models.scoring import score_batch

ROWS = ("best", "confidences", "entropy", "distances", "outlier_scores")
"""The rows below the posteriors in the table of a scored piece."""


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
            block_info: Where the piece is in the array, filled in by Dask.

        Returns:
            Posteriors of each class, and below them the `ROWS`, shape (n_classes + 5 × n_trials).

        Raises:
            CoreDataError: Values that cannot be used; the message says in which trials.
        """
        with piece_errors(block_info):
            checked = read_features(features, self.metadata)
            scores = score_batch(self.model, aggregate(checked, self.metadata.temporal_aggregation))
        return np.vstack([scores.posteriors, *(getattr(scores, row) for row in ROWS)])
