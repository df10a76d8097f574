"""LazyBatchResult: the predictions for a batch that is a Dask array, not computed yet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Self

from .._repr import Summary, format_html_table, format_line
from .._types import FloatArray, IndexArray, LabelArray
from ..data.dask_arrays import DaskArray, is_dask_array
from ..data.labels import encode_labels
from ..errors import CoreDataError
from . import metrics
from .batch_result import BatchResult
from .confidence_calibration import ConfidenceCalibration


@dataclass(frozen=True, slots=True, eq=False)
class LazyBatchResult:
    """A `BatchResult` whose parts are Dask arrays, computed on demand.

    The names and shapes are those of `BatchResult`; its numbers are arrays without axes here, and the parts
    of ``confidence_calibration`` are Dask arrays too. Everything in one ``dask.compute(…)`` is computed in
    one pass over the features; `compute` does so for all parts. To print a single one, for instance, use
    ``print(f"{float(lazy.accuracy):.3f}")``.
    """

    predictions: DaskArray
    confidences: DaskArray
    posteriors: DaskArray
    classes: LabelArray
    entropy: DaskArray
    mean_entropy: DaskArray
    mahalanobis_distances: DaskArray
    outlier_scores: DaskArray
    balance: DaskArray
    model_name: str
    simulated: bool
    accuracy: DaskArray | None = None
    confidence_calibration: ConfidenceCalibration | None = None
    class_names: tuple[str, ...] | None = None
    class_priors: FloatArray | None = None
    labels: LabelArray | None = None
    latency_ms: float = math.nan
    per_trial_latency_ms: float = math.nan

    def __len__(self) -> int:
        return self.predictions.shape[0]

    @property
    def balanced_accuracy(self) -> object:
        """As of a `BatchResult`, like all below: a Dask object to compute; None without labels."""
        return self._compare(metrics.balanced_accuracy)

    @property
    def roc_auc(self) -> object:
        """Area under the receiver operating characteristic."""
        return self._compare(metrics.roc_auc)

    @property
    def log_loss(self) -> object:
        """Mean negative natural logarithm of the probability of the true class."""
        return self._compare(metrics.log_loss)

    @property
    def brier_score(self) -> object:
        """Mean squared error of the probabilities."""
        return self._compare(metrics.brier_score)

    @property
    def kappa(self) -> object:
        """Cohen's kappa."""
        return self._compare(metrics.cohen_kappa)

    def _compare(self, metric: Callable[[FloatArray, IndexArray], float]) -> object:
        if self.labels is None or not len(self.labels):
            return None
        delayed: Callable[..., object] = import_module("dask").delayed(metric)
        return delayed(self.posteriors, encode_labels(self.labels, self.classes))

    def compute(self) -> BatchResult:
        """Compute everything, in one pass, on the scheduler in use; the result is in memory.

        Raises:
            CoreDataError: Values that are not finite; the message says in which trials.
        """
        started = time.perf_counter()
        n_trials = len(self)
        (computed,) = import_module("dask").compute(self._parts())
        for name in ("mean_entropy", "balance", "accuracy"):
            computed[name] = None if computed[name] is None else float(computed[name])
        elapsed = 1e3 * (time.perf_counter() - started)
        computed["latency_ms"] = elapsed
        computed["per_trial_latency_ms"] = elapsed / n_trials if n_trials else math.nan
        calibration: ConfidenceCalibration | None = computed["confidence_calibration"]
        if calibration is not None:
            computed["confidence_calibration"] = replace(
                calibration,
                expected_error=float(calibration.expected_error),
                maximum_error=float(calibration.maximum_error),
            )
        return BatchResult(**computed)

    def persist(self) -> Self:
        """Compute everything and leave the results on the workers that computed them."""
        (persisted,) = import_module("dask").persist(self._parts())
        return type(self)(**persisted)

    def __repr__(self) -> str:
        return format_line("LazyBatchResult", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped, nothing is computed."""
        return format_html_table("LazyBatchResult", self._summary())

    def _summary(self) -> Summary:
        summary = [("trials", str(len(self))), ("model", self.model_name)]
        if self.simulated:
            summary.append(("trained on", "simulated data"))
        if is_dask_array(self.predictions):
            pieces = len(self.predictions.chunks[0])
            summary.append(("to be computed", f"in {pieces} pieces, by compute()"))
        return summary

    def _parts(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def require_computed(result: object) -> None:
    """Raise CoreDataError if a result is not computed yet."""
    if isinstance(result, LazyBatchResult):
        raise CoreDataError(
            "This result is of a Dask array, and nothing of it has been computed yet.",
            "Call result.compute() first.",
        )
