"""BatchResult: the predictions for a batch of trials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from .._repr import Summary, format_html_table, format_line
from .._types import FeatureArray, FloatArray, IndexArray, LabelArray
from ..data.labels import encode_labels
from . import metrics
from .confidence_calibration import ConfidenceCalibration, describe_error


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """Predictions for a batch of trials, with their confidences. Names follow NimbusSDK.jl.

    Attributes:
        predictions: The most probable label of each trial, shape (n_trials,).
        confidences: Its posterior probability, shape (n_trials,).
        posteriors: Probability of each class, shape (n_trials × n_classes), columns as in ``classes``.
        classes: The model's labels, sorted, shape (n_classes,).
        entropy: Entropy of each trial's posterior in bits, from 0 to log2(n_classes), shape (n_trials,).
        mean_entropy: Its mean; NaN for an empty batch.
        mahalanobis_distances: Distance of each trial to the nearest class, under the scale matrix of its
            Student-t predictive, shape (n_trials,).
        outlier_scores: How unusual that distance is, in standard deviations: about standard normal for
            trials that the model describes, above 3 for about 1 of 700 of these, shape (n_trials,).
        balance: How evenly predictions spread over the classes: 1 evenly, 0 all in one; NaN when empty.
        latency_ms: Time the whole batch took, from features to result, in milliseconds.
        per_trial_latency_ms: The same, divided by the number of trials; NaN for an empty batch.
        model_name: Name of the model.
        simulated: Whether the model was trained on simulated data.
        accuracy: Share of correct predictions if the data had labels and trials, else None.
        confidence_calibration: How well confidences agree with the accuracy, if the data had labels and
            trials, else None.
        class_names: Names of the classes from the model's card, in the order of ``classes``, else None.
        class_priors: Probability that the model gives each class before a trial is seen, shape (n_classes,).
        labels: The true labels if the data had some, shape (n_trials,), else None.
    """

    predictions: LabelArray
    confidences: FloatArray
    posteriors: FeatureArray
    classes: LabelArray
    entropy: FloatArray
    mean_entropy: float
    mahalanobis_distances: FloatArray
    outlier_scores: FloatArray
    balance: float
    latency_ms: float
    per_trial_latency_ms: float
    model_name: str
    simulated: bool
    accuracy: float | None = None
    confidence_calibration: ConfidenceCalibration | None = None
    class_names: tuple[str, ...] | None = None
    class_priors: FloatArray | None = None
    labels: LabelArray | None = None

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean over the classes of the share of right predictions; None without labels, as all below."""
        return self._compare(metrics.balanced_accuracy)

    @property
    def roc_auc(self) -> float | None:
        """Area under the receiver operating characteristic, the mean of one against rest for several classes.

        0.5 is chance whatever the class frequencies; NaN if one class occurs.
        """
        return self._compare(metrics.roc_auc)

    @property
    def log_loss(self) -> float | None:
        """Mean negative natural logarithm of the probability of the true class."""
        return self._compare(metrics.log_loss)

    @property
    def brier_score(self) -> float | None:
        """Mean squared error of the probabilities, as scikit-learn defines it: halved for two classes."""
        return self._compare(metrics.brier_score)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: 1 for complete agreement with the labels, 0 for that of chance."""
        return self._compare(metrics.cohen_kappa)

    def _compare(self, metric: Callable[[FeatureArray, IndexArray], float]) -> float | None:
        if self.labels is None or not len(self.labels):
            return None
        return metric(self.posteriors, encode_labels(self.labels, self.classes))

    def __len__(self) -> int:
        return len(self.predictions)

    def compute(self) -> Self:
        """Return the result itself, so that a program can treat it like the result of a Dask array."""
        return self

    def __repr__(self) -> str:
        return format_line("BatchResult", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("BatchResult", self._summary())

    def _summary(self) -> Summary:
        summary = [("trials", str(len(self))), ("model", self.model_name)]
        if self.simulated:
            summary.append(("trained on", "simulated data"))
        if self.accuracy is not None:
            summary.append(("accuracy", f"{100 * self.accuracy:.1f} %"))
        if self.balanced_accuracy is not None:
            summary.append(("balanced accuracy", f"{100 * self.balanced_accuracy:.1f} %"))
        metrics_of_probabilities = {"AUC": self.roc_auc, "log loss": self.log_loss}
        for name, value in metrics_of_probabilities.items():
            if value is not None and not math.isnan(value):
                summary.append((name, f"{value:.3f}"))
        if self.confidence_calibration is not None:
            summary.append(("calibration error", describe_error(self.confidence_calibration)))
        if len(self):
            summary += [
                ("mean confidence", f"{self.confidences.mean():.3f}"),
                ("mean entropy", f"{self.mean_entropy:.3f} of {math.log2(len(self.classes)):.3f} bits"),
                ("latency", f"{self.latency_ms:.2f} ms"),
            ]
        return summary


def class_balance(counts: npt.NDArray[np.integer]) -> float:
    """Entropy of the predicted classes over its maximum: 1 evenly spread, 0 all in one, NaN without any.

    Args:
        counts: Predictions of each class, shape (n_classes,).

    Examples:
        >>> class_balance(np.array([5, 5])), class_balance(np.array([10, 0]))
        (1.0, 0.0)
    """
    total = int(counts.sum())
    if not total:
        return float("nan")
    share = counts[counts > 0] / total
    return float(max(0.0, -(share * np.log(share)).sum())) / math.log(len(counts))
