"""Decoding of a batch that is a Dask array, piece by piece, on any scheduler.

Dask splits and schedules; a piece is decoded like any other batch. Trials are independent of each other, so
the result is the same as without pieces, apart from the order in which means are summed.
"""

from __future__ import annotations

import math
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from .._types import IndexArray
from ..data.bci_data import BCIData
from ..data.dask_aggregate import count_piece_trials
from .confidence_calibration import N_BINS, ConfidenceCalibration
from .dask_pieces import ROWS, PieceScorer
from .dask_result import LazyBatchResult


def plan_batch(
    score: PieceScorer, data: BCIData, truth: IndexArray | None, dtype: type[np.float64 | np.float32]
) -> LazyBatchResult:
    """Plan the decoding of a batch.

    Args:
        score: Decodes a piece.
        data: Trials whose features are a Dask array, in one piece along features and samples.
        truth: Index of each trial's label in the model's classes, or None.
        dtype: Of the posteriors.

    Returns:
        A result that is computed on demand.
    """
    array, model = import_module("dask.array"), score.model
    n_classes, pieces = len(model.classes_), count_piece_trials(data.features)
    scores = array.map_blocks(
        score,
        data.features,
        dtype=np.float64,
        drop_axis=1,
        chunks=((n_classes + len(ROWS),), pieces),
        meta=np.empty((0, 0)),
    )
    rows = {name: scores[n_classes + row] for row, name in enumerate(ROWS)}
    best = rows["best"].astype(np.intp)
    is_right = None
    if truth is not None and len(truth):
        # Small integers, since they are sent to the workers with the plan.
        compact = truth.astype(np.min_scalar_type(n_classes))
        is_right = best == array.from_array(compact, chunks=(pieces,))
    card = model.card
    return LazyBatchResult(
        predictions=best.map_blocks(partial(np.take, model.classes_), dtype=model.classes_.dtype),
        confidences=rows["confidences"],
        posteriors=scores[:n_classes].T.astype(dtype),
        classes=model.classes_.copy(),
        entropy=rows["entropy"],
        mean_entropy=_plan_mean(array, rows["entropy"]),
        mahalanobis_distances=rows["distances"],
        outlier_scores=rows["outlier_scores"],
        balance=_plan_class_balance(array, best, n_classes),
        model_name=card.name if card is not None else type(model).__name__,
        simulated=card is not None and card.simulated,
        accuracy=None if is_right is None else is_right.mean(),
        confidence_calibration=None
        if is_right is None
        else _plan_calibration(array, rows["confidences"], is_right),
        class_names=None if card is None else card.class_names,
        class_priors=model.priors_.copy(),
        labels=data.labels,
    )


def _plan_mean(array: ModuleType, values: Any) -> Any:
    return values.mean() if len(values) else array.full((), np.nan)


def _plan_class_balance(array: ModuleType, best: Any, n_classes: int) -> Any:
    """As `class_balance`, with Dask."""
    if not len(best):
        return array.full((), np.nan)
    counts = array.bincount(best, minlength=n_classes)
    share = counts / len(best)
    entropy = -(share * array.log(array.where(share > 0.0, share, 1.0))).sum()
    return array.maximum(entropy, 0.0) / math.log(n_classes)


def _plan_calibration(array: ModuleType, confidences: Any, is_right: Any) -> ConfidenceCalibration:
    """As `measure_calibration`, with Dask."""
    bins = array.minimum((confidences * N_BINS).astype(np.intp), N_BINS - 1)
    counts = array.bincount(bins, minlength=N_BINS)
    at_least_one = array.where(counts > 0, counts, 1)
    confidence, accuracy = (
        array.where(
            counts > 0,
            array.bincount(bins, weights=values, minlength=N_BINS) / at_least_one,
            np.nan,
        )
        for values in (confidences, is_right.astype(np.float64))
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
