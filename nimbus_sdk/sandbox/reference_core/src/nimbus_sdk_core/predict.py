"""predict_batch: from a batch of trials to a BatchResult."""

import time

import numpy as np
import numpy.typing as npt

from .aggregate import aggregate
from .arrays import FloatArray, IndexArray
from .calibration import confidence_calibration
from .compatibility import check_fit
from .data import BCIData
from .decoder import Decoder
from .labels import index_of
from .metadata import whole_number
from .predictive import Scores
from .result import BatchResult


def predict_batch(model: Decoder, data: BCIData, *, iterations: int = 10) -> BatchResult:
    """Decode a batch of trials.

    Args:
        model: A trained model.
        data: Trials prepared as those the model was trained on; with labels, accuracy and calibration of
            the confidences are measured too.
        iterations: Accepted for compatibility with NimbusSDK.jl. The predictive has a closed form that needs
            no iterations, so the number changes nothing.

    Returns:
        Predictions, posteriors and diagnostics; for an empty batch empty arrays and NaN means.

    Raises:
        CoreDataError: Another number of features or classes, or labels the model does not know.
        ModelMismatchError: Another paradigm, feature type or temporal aggregation.
        NotTrainedError: The model is not trained.

    >>> from nimbus_sdk_core import NimbusLDA, load_model, simulate
    >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
    >>> result = predict_batch(model, simulate("motor_imagery", n_trials=100, seed=3))
    >>> result.posteriors.shape
    (100, 4)
    >>> bool(result.accuracy > 0.7)
    True
    """
    started = time.perf_counter()
    whole_number("iterations", iterations, least=1, most=2**31 - 1)
    check_fit(model, data)
    truth = None if data.labels is None else index_of(data.labels, model.classes_)
    return _result(model, model.score_trials(aggregate(data)), truth, started)


def _result(model: Decoder, scores: Scores, truth: IndexArray | None, started: float) -> BatchResult:
    best = scores.log_posteriors.argmax(axis=1)
    posteriors = np.exp(scores.log_posteriors)
    confidences = posteriors[np.arange(len(best)), best]
    entropy = _entropy_bits(scores.log_posteriors, posteriors)
    squared, outlier = _distances(scores, model.n_features_in_)
    right = None if truth is None or not len(best) else best == truth
    card = model.card
    elapsed = 1e3 * (time.perf_counter() - started)
    return BatchResult(
        predictions=model.classes_[best],
        confidences=confidences,
        posteriors=posteriors,
        classes=model.classes_,
        entropy=entropy,
        mean_entropy=_mean(entropy),
        mahalanobis_distances=np.sqrt(squared),
        outlier_scores=outlier,
        balance=_balance(best, len(model.classes_)),
        latency_ms=elapsed,
        per_trial_latency_ms=elapsed / len(best) if len(best) else float("nan"),
        model_name=card.name if card is not None else type(model).__name__,
        simulated=card is not None and card.simulated,
        accuracy=None if right is None else _mean(right),
        confidence_calibration=None if right is None else confidence_calibration(confidences, right),
    )


def _entropy_bits(log_posteriors: FloatArray, posteriors: FloatArray) -> FloatArray:
    nats = -np.einsum("ij,ij->i", posteriors, log_posteriors)
    return np.asarray(np.maximum(nats, 0.0) / np.log(2.0))


def _distances(scores: Scores, n_features: int) -> tuple[FloatArray, FloatArray]:
    """Squared distance to the nearest class, and how unusual it is.

    For x ~ t(m, Λ, ν) in D dimensions, d²/D follows F(D, ν). Its cube root is nearly normal, which gives a
    standard score without tables: Paulson's approximation, Abramowitz & Stegun, Handbook of Mathematical
    Functions, 26.6.15.
    """
    nearest = scores.squared_distances.argmin(axis=1)
    squared = scores.squared_distances[np.arange(len(nearest)), nearest]
    of_data, of_model = 2.0 / (9.0 * n_features), 2.0 / (9.0 * scores.dof[nearest])
    root = np.cbrt(squared / n_features)
    score = ((1.0 - of_model) * root - (1.0 - of_data)) / np.sqrt(of_data + of_model * root * root)
    return squared, score


def _balance(best: IndexArray, n_classes: int) -> float:
    """Entropy of the predicted classes over its maximum."""
    if not len(best):
        return float("nan")
    share = np.bincount(best, minlength=n_classes) / len(best)
    share = share[share > 0]
    return float(max(0.0, -(share * np.log(share)).sum()) / np.log(n_classes))


def _mean(values: npt.NDArray[np.float64 | np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")
