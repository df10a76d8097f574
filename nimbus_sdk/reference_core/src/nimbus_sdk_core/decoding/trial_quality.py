"""Quality of predictions: whether they are good enough to act on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from .._repr import Summary, format_html_table, format_line
from .._types import FloatArray
from ..data.argument_checks import check_probability, describe_kind
from ..data.labels import check_not_masked
from ..errors import CoreDataError
from ..models.scoring import OUTLIER_SCORE
from .batch_result import BatchResult
from .dask_result import require_computed
from .streaming_results import ChunkResult, StreamingResult

DEFAULT_THRESHOLD = 0.7

CHUNK_OUTLIER_SCORE = 10.0
"""Above it a chunk is rejected: chunks shorter than the windows of the training have scores up to it."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialQuality:
    """Quality of the predictions for trials. Names follow NimbusSDK.jl.

    Attributes:
        overall_score: From 0 (as good as guessing) to 1 (certain, without outliers): the mean over trials
            of (confidence - chance)/(1 - chance), where outliers count 0. Chance is the probability that the
            model gives the predicted class before it sees a trial, 1/K for K equally frequent classes.
        confidence_acceptable: Whether confidences exceed chance, on average, by as much as the threshold
            exceeds 1/K, both in parts of the way to 1.
        recommendation: What to do next.
        rejected: Trials to reject, for low confidence, as outliers, or because their stream has problems,
            shape (n_trials,).
    """

    overall_score: float
    confidence_acceptable: bool
    recommendation: str
    rejected: npt.NDArray[np.bool_]

    def __repr__(self) -> str:
        return format_line("TrialQuality", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("TrialQuality", self._summary())

    def _summary(self) -> Summary:
        return [
            ("overall score", f"{self.overall_score:.3f}"),
            ("confidence acceptable", "yes" if self.confidence_acceptable else "no"),
            ("rejected", f"{int(self.rejected.sum())} of {len(self.rejected)} trials"),
            ("recommendation", self.recommendation),
        ]


def should_reject_trial(confidence: SupportsFloat, threshold: SupportsFloat = DEFAULT_THRESHOLD) -> bool:
    """Whether it is better to repeat a trial than to act on it.

    Args:
        confidence: Posterior probability of the prediction.
        threshold: The lowest confidence to act on.

    Raises:
        CoreDataError: One of them is not from 0 to 1.

    Examples:
        >>> should_reject_trial(0.65), should_reject_trial(0.65, 0.6)
        (True, False)
    """
    return check_probability("confidence", confidence) < check_probability("threshold", threshold)


def assess_trial_quality(
    result: BatchResult | StreamingResult | ChunkResult | npt.ArrayLike,
    *,
    confidence_threshold: SupportsFloat = DEFAULT_THRESHOLD,
) -> TrialQuality:
    """Assess predictions by their confidences, the outlier scores of the trials, and labels if known.

    A confidence of 0.83 says nothing where five of six trials are of one class anyway, so confidences count
    by what they are above the class frequencies.

    Args:
        result: From `predict_batch`, `process_chunk` or `finalize_trial`; or posteriors, of shape
            (n_trials × n_classes), or (n_classes,) for one trial, of classes that are equally frequent.
        confidence_threshold: The lowest confidence to act on.

    Raises:
        CoreDataError: No trials, posteriors that are not probabilities, or a result that is not computed yet.

    Examples:
        >>> quality = assess_trial_quality([[0.9, 0.1], [0.55, 0.45]])
        >>> quality.confidence_acceptable, quality.rejected.tolist()
        (True, [False, True])
    """
    require_computed(result)
    threshold = check_probability("confidence_threshold", confidence_threshold)
    posteriors = _read_posteriors(result)
    confidences = posteriors.max(axis=1)
    is_outlier = np.zeros(len(confidences), np.bool_)
    if isinstance(result, BatchResult):
        is_outlier = result.outlier_scores > OUTLIER_SCORE
    elif isinstance(result, StreamingResult):
        is_outlier[:] = result.outlier_score > OUTLIER_SCORE or bool(result.problems)
    elif isinstance(result, ChunkResult):
        is_outlier[:] = result.outlier_score > CHUNK_OUTLIER_SCORE
    above_chance = _above_chance(posteriors, getattr(result, "class_priors", None))
    equal = 1.0 / posteriors.shape[1]
    acceptable = bool(above_chance.mean() >= (threshold - equal) / (1.0 - equal) - 1e-12)
    recommendation = _recommend(acceptable, float(is_outlier.mean()), confidences, threshold)
    if isinstance(result, StreamingResult) and result.problems:
        recommendation = " ".join(result.problems)
    if isinstance(result, BatchResult) and _is_no_better_than_the_frequencies(result):
        acceptable = False
        recommendation = (
            "These predictions are right no more often than naming the most frequent class always would be: "
            "do not act on them. See roc_auc for whether the probabilities tell more."
        )
    return TrialQuality(
        overall_score=float(np.where(is_outlier, 0.0, above_chance).mean().clip(0.0, 1.0)),
        confidence_acceptable=acceptable,
        recommendation=recommendation,
        rejected=is_outlier | (confidences < threshold),
    )


def _above_chance(posteriors: FloatArray, class_priors: FloatArray | None) -> FloatArray:
    """Confidence of each trial above the prior of its predicted class, in parts of the way to 1."""
    n_classes = posteriors.shape[1]
    priors = np.full(n_classes, 1.0 / n_classes) if class_priors is None else class_priors
    chance = priors[posteriors.argmax(axis=1)]
    return np.asarray((posteriors.max(axis=1) - chance) / np.maximum(1.0 - chance, 1e-12))


def _is_no_better_than_the_frequencies(result: BatchResult) -> bool:
    """Whether the labels say that the predictions are right no more often than the most frequent class is."""
    if result.accuracy is None or result.labels is None:
        return False
    counts = np.unique(result.labels, return_counts=True)[1]
    return len(counts) > 1 and result.accuracy <= float(counts.max()) / len(result.labels)


def _read_posteriors(result: BatchResult | StreamingResult | ChunkResult | npt.ArrayLike) -> FloatArray:
    if isinstance(result, BatchResult):
        posteriors = result.posteriors.astype(np.float64, copy=False)
    elif isinstance(result, StreamingResult | ChunkResult):
        posteriors = result.posterior[np.newaxis]
    else:
        posteriors = _as_posteriors(result)
    if not len(posteriors):
        raise CoreDataError("There are no trials to assess.", "Give the result of at least one.")
    return posteriors


def _as_posteriors(values: npt.ArrayLike) -> FloatArray:
    hint = "Give a result, or posteriors of shape (n_trials × n_classes)."
    check_not_masked("posteriors", values)
    try:
        posteriors = np.atleast_2d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise CoreDataError(f"result is {describe_kind(values)}.", hint) from None
    if posteriors.ndim != 2 or posteriors.shape[1] < 2:
        raise CoreDataError(
            f"posteriors have shape {np.shape(values)}, expected (n_trials, n_classes).", hint
        )
    if not ((posteriors >= 0.0).all() and np.allclose(posteriors.sum(axis=1), 1.0, rtol=0.0, atol=1e-6)):
        raise CoreDataError("posteriors are not probabilities that sum to 1 for each trial.", hint)
    return posteriors


def _recommend(acceptable: bool, outlier_share: float, confidences: FloatArray, threshold: float) -> str:
    if outlier_share > 0.1:
        return (
            f"{100 * outlier_share:.0f} % of the trials are unlike those the model was trained on: look for "
            "artefacts, loose electrodes or another preprocessing."
        )
    low_share = math.fsum(confidences < threshold) / len(confidences)
    if acceptable and low_share <= 0.2:
        return "Act on these predictions."
    if acceptable:
        return f"Repeat the {100 * low_share:.0f} % of trials below {threshold:g}; act on the others."
    return (
        "Confidence is low: calibrate the model on a few labelled trials of this session, or use longer ones."
    )
