"""Decoding a batch that is a Dask array, piece by piece, on whatever scheduler there is.

Dask splits and schedules; a piece is decoded as any other batch. Trials are independent of each other, so
that the result is the same as without pieces, apart from the order in which means are summed.
"""

from __future__ import annotations

import math
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from .._types import FeatureArray, IndexArray
from ..data.dask_aggregate import count_piece_trials
from .confidence_calibration import N_BINS, ConfidenceCalibration
from .dask_pieces import ROWS, PieceScorer
from .dask_result import LazyBatchResult


def plan_batch(score: PieceScorer, features: FeatureArray, truth: IndexArray | None) -> LazyBatchResult:
    """Plan the decoding of a batch.

    Args:
        score: Decodes a piece.
        features: A Dask array (n_features × n_samples × n_trials), in one piece along features and samples.
        truth: Place of each trial's label in the model's classes, or None.

    Returns:
        A result that is computed when it is asked for.
    """
    array, model = import_module("dask.array"), score.model
    n_classes, pieces = len(model.classes_), count_piece_trials(features)
    table = array.map_blocks(
        score,
        features,
        dtype=np.float64,
        drop_axis=1,
        chunks=((n_classes + len(ROWS),), pieces),
        meta=np.empty((0, 0)),
    )
    rows = {name: table[n_classes + at] for at, name in enumerate(ROWS)}
    best = rows["best"].astype(np.intp)
    right = None
    if truth is not None and len(truth):
        # Small whole numbers, since they travel with the plan.
        small = truth.astype(np.min_scalar_type(n_classes))
        right = best == array.from_array(small, chunks=(pieces,))
    card = model.card
    return LazyBatchResult(
        predictions=best.map_blocks(partial(np.take, model.classes_), dtype=model.classes_.dtype),
        confidences=rows["confidences"],
        posteriors=table[:n_classes].T,
        classes=model.classes_.copy(),
        entropy=rows["entropy"],
        mean_entropy=_plan_mean(array, rows["entropy"]),
        mahalanobis_distances=rows["distances"],
        outlier_scores=rows["outlier_scores"],
        balance=_plan_class_balance(array, best, n_classes),
        model_name=card.name if card is not None else type(model).__name__,
        simulated=card is not None and card.simulated,
        accuracy=None if right is None else right.mean(),
        confidence_calibration=None
        if right is None
        else _plan_calibration(array, rows["confidences"], right),
        class_names=None if card is None else card.class_names,
    )


def _plan_mean(array: ModuleType, values: Any) -> Any:
    return values.mean() if len(values) else array.full((), np.nan)


def _plan_class_balance(array: ModuleType, best: Any, n_classes: int) -> Any:
    """As `balance` says, in Dask's words."""
    if not len(best):
        return array.full((), np.nan)
    counts = array.bincount(best, minlength=n_classes)
    share = counts / len(best)
    entropy = -(share * array.log(array.where(share > 0.0, share, 1.0))).sum()
    return array.maximum(entropy, 0.0) / math.log(n_classes)


def _plan_calibration(array: ModuleType, confidences: Any, right: Any) -> ConfidenceCalibration:
    """As `confidence_calibration` says, in Dask's words."""
    place = array.minimum((confidences * N_BINS).astype(np.intp), N_BINS - 1)
    counts = array.bincount(place, minlength=N_BINS)
    at_least_one = array.where(counts > 0, counts, 1)
    confidence, accuracy = (
        array.where(
            counts > 0,
            array.bincount(place, weights=values, minlength=N_BINS) / at_least_one,
            np.nan,
        )
        for values in (confidences, right.astype(np.float64))
    )
    gaps = abs(confidence - accuracy)
    return ConfidenceCalibration(
        expected_error=array.nansum(gaps * counts) / len(confidences),
        maximum_error=array.nanmax(gaps),
        bin_edges=np.linspace(0.0, 1.0, N_BINS + 1),
        bin_counts=counts,
        bin_confidences=confidence,
        bin_accuracies=accuracy,
    )
