"""Signs in the features that something went wrong in their preprocessing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .._repr import Summary, format_html_table, format_line
from .._types import FloatArray, LabelArray
from ..data.aggregate import aggregate
from ..data.bci_data import BCIData
from ..data.dask_arrays import require_in_memory
from ..errors import CoreDataError
from ..models.compatibility import check_is_data
from .signals import FeatureSummary, find_cancelled_oscillations, find_mains_hum, summarize_feature

_RAW_VOLTS = 1e-3
_UNEQUAL_SCALES = 100.0
_UNUSUAL_POWER = 20.0
_OFFSET = 50.0
_DRIFT_CORRELATION = 0.99
_REDUNDANT = 0.999
_OUTLIER_DEVIATIONS = 10.0
_FEW_TRIALS = 10


@dataclass(frozen=True, slots=True)
class PreprocessingReport:
    """The result of `diagnose_preprocessing`. Names follow NimbusSDK.jl.

    Attributes:
        errors: Problems that make the data unusable.
        warnings: Problems that look suspicious.
        recommendations: What to do, one for each of the above.
        quality_score: 1 without problems; each warning takes 0.1 and each error 0.5, down to 0.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    recommendations: tuple[str, ...]
    quality_score: float

    def __repr__(self) -> str:
        return format_line("PreprocessingReport", self._summary()[:3])

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("PreprocessingReport", self._summary())

    def _summary(self) -> Summary:
        return [
            ("quality score", f"{self.quality_score:.1f}"),
            ("errors", str(len(self.errors))),
            ("warnings", str(len(self.warnings))),
            *(("error", text) for text in self.errors),
            *(("warning", text) for text in self.warnings),
            *(("recommendation", text) for text in self.recommendations),
        ]


@dataclass(frozen=True, slots=True)
class _Finding:
    fatal: bool
    text: str
    advice: str


def diagnose_preprocessing(data: BCIData) -> PreprocessingReport:
    """Look for signs that features were prepared in another way than intended.

    The checks find values that are not finite, features that never vary or repeat each other, values in volts
    (raw EEG in place of features), hum of the mains in any channel, offsets and drifts, features on very
    unequal scales, oscillations that the aggregation cancels, trials far from all others (of their class, if
    labelled), and classes with few trials. They look at what ``temporal_aggregation`` uses of the samples: at
    levels for ``"mean"`` and ``"median"``, at powers for ``"logvar"``. These are signs, not proofs: the
    report lists what to look at. Each text states its threshold.

    Args:
        data: Trials.

    Raises:
        CoreTypeError: ``data`` are not BCIData.
        CoreDataError: They hold a Dask array.

    Examples:
        >>> from nimbus_sdk_core import simulate
        >>> diagnose_preprocessing(simulate("motor_imagery", n_trials=80, seed=1))
        <PreprocessingReport quality score 1.0, errors 0, warnings 0>
    """
    check_is_data(data)
    require_in_memory(data.features)
    findings = list(_find_problems(data))
    errors = tuple(finding.text for finding in findings if finding.fatal)
    warnings = tuple(finding.text for finding in findings if not finding.fatal)
    score = max(0.0, 1.0 - 0.5 * len(errors) - 0.1 * len(warnings))
    return PreprocessingReport(
        errors, warnings, tuple(finding.advice for finding in findings), round(score, 1)
    )


def _find_problems(data: BCIData) -> Iterator[_Finding]:
    if not data.n_trials:
        yield _Finding(True, "There are no trials.", "Give at least one.")
        return
    # One feature at a time, so that a memory map is never copied as a whole.
    summaries = [summarize_feature(values) for values in data.features]
    not_finite = [feature for feature, summary in enumerate(summaries) if not summary.finite]
    if not_finite:
        yield _Finding(
            True,
            f"Features {_format_indices(not_finite)} hold values that are NaN or infinite.",
            "Drop or repair these trials: a classifier cannot weigh what was not measured.",
        )
        return
    yield from _check_single_features(summaries, data)
    try:
        vectors = data.vectors()
    except CoreDataError as error:
        yield _Finding(True, error.message, error.hint)
        return
    yield from _check_signals(summaries, data, vectors)
    yield from _check_trials(vectors, data.labels)
    yield from _check_classes(data)


def _check_single_features(summaries: list[FeatureSummary], data: BCIData) -> Iterator[_Finding]:
    constant = [feature for feature, summary in enumerate(summaries) if summary.constant]
    if constant and data.n_samples * data.n_trials > 1:
        yield _Finding(
            True,
            f"Features {_format_indices(constant)} never vary.",
            "Leave them out: a constant feature carries no information and has no variance to learn.",
        )
    varying = [summary for summary in summaries if not summary.constant]
    if not varying:
        return
    uses_powers = data.metadata.temporal_aggregation == "logvar"
    deviations = np.array([summary.deviation for summary in varying])
    if uses_powers:
        yield from _check_powers(summaries)
    elif deviations.max() > _UNEQUAL_SCALES * deviations.min():
        factor = deviations.max() / deviations.min()
        yield _Finding(
            False,
            f"Features have standard deviations {factor:.3g} times each other (above {_UNEQUAL_SCALES:g}).",
            "Put them on one scale with estimate_normalization_params() and apply_normalization().",
        )
    may_be_volts = data.metadata.unit == "V" or data.metadata.feature_type == "raw_filtered" or uses_powers
    if not may_be_volts and max(summary.largest for summary in summaries) < _RAW_VOLTS:
        yield _Finding(
            False,
            f"No value reaches {_RAW_VOLTS:g}: these look like raw EEG in volts, not like features.",
            "Extract features first (CSP, band power, ERP amplitudes).",
        )


def _check_powers(summaries: list[FeatureSummary]) -> Iterator[_Finding]:
    within = np.array([summary.within for summary in summaries])
    others = [np.median(np.delete(within, k)) for k in range(len(within))] if len(within) > 1 else within
    unusual = [
        feature
        for feature, (own, usual) in enumerate(zip(within, others, strict=True))
        if own > _UNUSUAL_POWER * usual or usual > _UNUSUAL_POWER * own
    ]
    if unusual:
        yield _Finding(
            False,
            f"Features {_format_indices(unusual)} vary over {_UNUSUAL_POWER:g} times more or less within a "
            "trial than the others.",
            "Look at the electrode and the gain of these channels; leave them out or repair them.",
        )


def _check_signals(summaries: list[FeatureSummary], data: BCIData, vectors: FloatArray) -> Iterator[_Finding]:
    if data.n_samples < 2:
        return
    uses_levels = data.metadata.temporal_aggregation in ("mean", "median")
    offset = [
        feature
        for feature, summary in enumerate(summaries)
        if abs(summary.mean) > _OFFSET * summary.within > 0.0
    ]
    if offset and uses_levels:
        yield _Finding(
            False,
            f"Features {_format_indices(offset)} are over {_OFFSET:g} standard deviations of a trial "
            "away from 0.",
            "Look for a DC offset: filter, or subtract a baseline, before features are extracted.",
        )
    slow = [feature for feature, summary in enumerate(summaries) if summary.neighbours > _DRIFT_CORRELATION]
    if slow:
        yield _Finding(
            False,
            f"Neighbouring samples of features {_format_indices(slow)} correlate by more than "
            f"{_DRIFT_CORRELATION:g}.",
            "Look for slow drifts (high-pass filter), or take fewer samples a second.",
        )
    with_hum: set[int] = set()
    for frequency in (50.0, 60.0):
        found = find_mains_hum(data.features, data.metadata.sampling_rate, frequency)
        with_hum.update(found)
        if found:
            yield _Finding(
                False,
                f"Power at {frequency:g} Hz in features {_format_indices(found)} is more than 10 times that "
                "of the frequencies beside it.",
                f"Look for hum of the mains: a notch or band-pass filter takes {frequency:g} Hz away.",
            )
    if not uses_levels:
        return
    means = vectors if data.metadata.temporal_aggregation == "mean" else aggregate(data.features, "mean")
    cancelled = sorted(set(find_cancelled_oscillations(summaries, means, data.n_samples)) - with_hum)
    if cancelled:
        yield _Finding(
            False,
            f"Features {_format_indices(cancelled)} oscillate: their mean over a trial has less than half of "
            "the variance that independent samples would leave.",
            "Use temporal_aggregation='logvar' for rhythms, since waves cancel out over a trial.",
        )


def _check_trials(vectors: FloatArray, labels: LabelArray | None) -> Iterator[_Finding]:
    n_trials, n_features = vectors.shape
    if n_trials < _FEW_TRIALS:
        return
    # Classes that differ clearly are what a decoder needs, and no sign of anything wrong.
    deviations = _subtract_medians(vectors, labels)
    distances = np.abs(deviations)
    median_distances = np.median(distances, axis=0)
    # A feature that is mostly constant has no typical distance to measure others by.
    outliers = np.flatnonzero(
        ((distances > _OUTLIER_DEVIATIONS * 1.4826 * median_distances) & (median_distances > 0)).any(axis=1)
    )
    if len(outliers):
        yield _Finding(
            False,
            f"Trials {_format_indices(outliers.tolist())} have a feature more than {_OUTLIER_DEVIATIONS:g} "
            f"(robust) standard deviations from the median{'' if labels is None else ' of their class'}.",
            "Check them for artefacts; reject or repair them.",
        )
    n_medians = 1 if labels is None else len(np.unique(labels))
    if n_trials - n_medians >= n_features and (deviations.std(axis=0) > 0).all():
        correlated = np.abs(np.corrcoef(deviations.T).reshape(n_features, n_features)) > _REDUNDANT
        pairs = [f"{a} and {b}" for a, b in np.argwhere(np.triu(correlated, 1)).tolist()]
        if pairs:
            yield _Finding(
                False,
                f"Features {', '.join(pairs[:5])} correlate by more than {_REDUNDANT:g} over the trials.",
                "Leave one of each pair out: covariances of repeated features cannot be inverted.",
            )


def _subtract_medians(vectors: FloatArray, labels: LabelArray | None) -> FloatArray:
    """Deviations from the median of each trial's class, or of all trials if there are no labels."""
    if labels is None:
        return np.asarray(vectors - np.median(vectors, axis=0))
    deviations = np.empty_like(vectors)
    for label in np.unique(labels):
        own = labels == label
        deviations[own] = vectors[own] - np.median(vectors[own], axis=0)
    return deviations


def _check_classes(data: BCIData) -> Iterator[_Finding]:
    if data.labels is None:
        return
    names, counts = np.unique(data.labels, return_counts=True)
    few = [repr(name.item()) for name, count in zip(names, counts, strict=True) if count < _FEW_TRIALS]
    if few:
        yield _Finding(
            False,
            f"Classes {', '.join(few[:5])} have fewer than {_FEW_TRIALS} trials.",
            "Record more before training; 40 or more of each class are usual.",
        )


def _format_indices(indices: list[int]) -> str:
    listed = ", ".join(str(index) for index in indices[:5])
    return f"{listed} and {len(indices) - 5} more (from 0)" if len(indices) > 5 else f"{listed} (from 0)"
