"""predict_batch: decoding of a batch of trials."""

from __future__ import annotations

import time
from typing import cast

import numpy as np
import numpy.typing as npt

from .._types import IndexArray, LabelArray
from ..data.argument_checks import check_whole_number
from ..data.bci_data import BCIData
from ..data.dask_arrays import is_dask_array
from ..data.labels import encode_labels
from ..errors import CoreDataError
from ..models.compatibility import check_data_fits
from ..models.pipeline import Pipeline, find_decoder, read_vectors_of
from ..models.protocol import Decoder, snapshot
from ..models.scoring import BatchScores, score_batch
from .batch_result import BatchResult, class_balance
from .confidence_calibration import measure_calibration
from .dask_pieces import PieceScorer


def predict_batch(
    model: Decoder | Pipeline,
    data: BCIData,
    *,
    iterations: int = 10,
    dtype: type[np.float64 | np.float32] = np.float64,
) -> BatchResult:
    """Decode a batch of trials with the model as it is now, even if another thread trains it meanwhile.

    Args:
        model: A trained model, or a `Pipeline`, which reads raw channels.
        data: Trials prepared as those the model was trained on; with labels, accuracy and calibration of the
            confidences are measured too.
        iterations: Accepted for compatibility with NimbusSDK.jl. No kind of model needs iterations to
            predict, so the number is ignored.
        dtype: In which numbers ``posteriors`` are stored, ``np.float64`` or ``np.float32``, which takes half
            the memory. They are computed in float64, and so is all else of the result.

    Returns:
        Predictions, posteriors and diagnostics; for an empty batch empty arrays and NaN means. Where the
        features are a Dask array, a `LazyBatchResult` with the same names and a method ``compute``.

    Raises:
        CoreTypeError: ``model`` is not a model, or ``data`` not BCIData.
        CoreDataError: Another number of features or classes, labels that are not among the model's classes,
            or another ``dtype``.
        ModelMismatchError: Another paradigm, feature type or temporal aggregation.
        NotTrainedError: The model is not trained.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model, simulate
        >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
        >>> result = predict_batch(model, simulate("motor_imagery", n_trials=100, seed=3))
        >>> result.posteriors.shape
        (100, 4)
        >>> bool(result.accuracy > 0.7)
        True
    """
    started = time.perf_counter()
    check_whole_number("iterations", iterations, least=1, most=2**31 - 1)
    _check_dtype(dtype)
    check_data_fits(model, data)
    decoder = snapshot(find_decoder(model))
    truth = None if data.labels is None else encode_labels(data.labels, decoder.classes_)
    if is_dask_array(data.features):
        if isinstance(model, Pipeline):
            data = model.transform(data)
        from .dask_batch import plan_batch

        # It has the same names, computed on demand.
        return cast(BatchResult, plan_batch(PieceScorer(decoder, data.metadata), data, truth, dtype))
    vectors = read_vectors_of(model, data.features, data.metadata)
    return _build_result(decoder, score_batch(decoder, vectors, dtype), data.labels, truth, started)


def _build_result(
    model: Decoder,
    scores: BatchScores,
    labels: LabelArray | None,
    truth: IndexArray | None,
    started: float,
) -> BatchResult:
    best, n_trials = scores.best, len(scores.best)
    is_right = None if truth is None or not n_trials else best == truth
    calibration = None if is_right is None else measure_calibration(scores.confidences, is_right)
    predictions, counts = model.classes_[best], np.bincount(best, minlength=len(model.classes_))
    card = model.card
    elapsed = 1e3 * (time.perf_counter() - started)
    return BatchResult(
        predictions=predictions,
        confidences=scores.confidences,
        posteriors=scores.posteriors.T,
        classes=model.classes_.copy(),
        entropy=scores.entropy,
        mean_entropy=_mean(scores.entropy),
        mahalanobis_distances=scores.distances,
        outlier_scores=scores.outlier_scores,
        balance=class_balance(counts),
        latency_ms=elapsed,
        per_trial_latency_ms=elapsed / n_trials if n_trials else float("nan"),
        model_name=card.name if card is not None else type(model).__name__,
        simulated=card is not None and card.simulated,
        accuracy=None if is_right is None else _mean(is_right),
        confidence_calibration=calibration,
        class_names=None if card is None else card.class_names,
        class_priors=model.priors_.copy(),
        labels=labels,
    )


def _check_dtype(dtype: type[np.float64 | np.float32]) -> None:
    if dtype not in (np.float64, np.float32):
        raise CoreDataError(f"dtype is {dtype!r}.", "Give np.float64 or np.float32.")


def _mean(values: npt.NDArray[np.float64 | np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")
