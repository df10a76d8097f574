"""Calibration of confidences: their agreement with the accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._repr import Summary, format_html_table, format_line
from .._types import FloatArray

N_BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceCalibration:
    """Confidence against accuracy in ten bins of equal width (a reliability diagram).

    With few trials even confidences that are exactly right miss the share of right predictions by chance:
    compare ``expected_error`` with ``perfect_error``. Source: C. Guo et al., On Calibration of Modern Neural
    Networks, ICML 2017.

    Attributes:
        expected_error: Mean gap between confidence and accuracy, weighted by trials (ECE).
        maximum_error: The largest gap of a bin that holds trials (MCE).
        bin_edges: Shape (11,), from 0 to 1.
        bin_counts: Trials in each bin, shape (10,).
        bin_confidences: Mean confidence in each bin, NaN in an empty one, shape (10,).
        bin_accuracies: Share of correct predictions in each bin, NaN in an empty one, shape (10,).
    """

    expected_error: float
    maximum_error: float
    bin_edges: FloatArray
    bin_counts: npt.NDArray[np.intp]
    bin_confidences: FloatArray
    bin_accuracies: FloatArray

    @property
    def perfect_error(self) -> float:
        """The ``expected_error`` that is expected of a perfect decoder with as many trials in each bin.

        The mean absolute deviation of binomial counts, in the closed form of de Moivre: P. Diaconis and S.
        Zabell, Closed form summation for classical distributions, Statistical Science 6 (1991).
        """
        counts, confidences = np.asarray(self.bin_counts), np.asarray(self.bin_confidences)
        filled = [pair for pair in zip(counts.tolist(), confidences.tolist(), strict=True) if pair[0]]
        if not filled:
            return math.nan
        return math.fsum(_mean_absolute_deviation(*pair) for pair in filled) / int(counts.sum())

    def __repr__(self) -> str:
        return format_line("ConfidenceCalibration", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("ConfidenceCalibration", self._summary(), self._bins())

    def _summary(self) -> Summary:
        return [
            ("expected error", describe_error(self)),
            ("maximum error", f"{self.maximum_error:.3f}"),
            ("trials", str(int(np.sum(self.bin_counts)))),
        ]

    def _bins(self) -> Summary:
        """Of each bin that holds trials: confidence, accuracy and the number of trials."""
        edges, filled = self.bin_edges, np.flatnonzero(self.bin_counts)
        return [
            (
                f"{edges[k]:.1f} to {edges[k + 1]:.1f}",
                f"confidence {self.bin_confidences[k]:.3f}, accuracy {self.bin_accuracies[k]:.3f}, "
                f"{self.bin_counts[k]} trials",
            )
            for k in filled
        ]


def describe_error(found: ConfidenceCalibration) -> str:
    """Return the ``expected_error``, and what a perfect decoder would show, as a text."""
    return f"{found.expected_error:.3f} ({found.perfect_error:.3f} if perfect)"


def _mean_absolute_deviation(n: int, p: float) -> float:
    """Of a binomial count of ``n`` with probability ``p``: 2ν·(n over ν)·p^ν·(1 - p)^(n - ν + 1)."""
    if not 0.0 < p < 1.0:
        return 0.0
    v = min(math.floor(n * p) + 1, n)
    log_choose = math.lgamma(n + 1) - math.lgamma(v + 1) - math.lgamma(n - v + 1)
    return 2.0 * v * math.exp(log_choose + v * math.log(p) + (n - v + 1) * math.log1p(-p))


def measure_calibration(confidences: FloatArray, is_right: npt.NDArray[np.bool_]) -> ConfidenceCalibration:
    """Compare confidences with the accuracy.

    Args:
        confidences: Probability given to each prediction, shape (n_trials,).
        is_right: Whether the prediction was correct, shape (n_trials,).

    Examples:
        >>> measure_calibration(np.array([0.75, 0.75]), np.array([True, False])).expected_error
        0.25
    """
    bins = np.minimum((confidences * N_BINS).astype(np.intp), N_BINS - 1)
    wrong, hits = np.bincount(bins + N_BINS * is_right, minlength=2 * N_BINS).reshape(2, N_BINS)
    counts = wrong + hits
    filled = counts > 0
    confidence, accuracy = np.full(N_BINS, np.nan), np.full(N_BINS, np.nan)
    np.divide(np.bincount(bins, confidences, N_BINS), counts, out=confidence, where=filled)
    np.divide(hits, counts, out=accuracy, where=filled)
    gaps = np.abs(confidence - accuracy)[filled]
    weights = counts[filled]
    return ConfidenceCalibration(
        expected_error=float((gaps * weights).sum() / weights.sum()) if gaps.size else float("nan"),
        maximum_error=float(gaps.max()) if gaps.size else float("nan"),
        bin_edges=np.linspace(0.0, 1.0, N_BINS + 1),
        bin_counts=counts,
        bin_confidences=confidence,
        bin_accuracies=accuracy,
    )
