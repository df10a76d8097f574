"""Signs, over many chunks and trials, that a stream is not what its model was trained on."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from .._types import FeatureArray, FloatArray
from ..models.gaussian import GaussianClassifier
from ..models.pipeline import Pipeline
from ..models.protocol import Decoder
from .feature_layout import LayoutMonitor, reorder_features, reverse_channels

# Trials looked back upon, the fewest of them, and how far from 0 their mean outlier score has to be, as such
# and in standard errors, to be a sign. Scores of trials that the model describes have mean 0, deviation 1.
_TRIALS = 20
_FEWEST_TRIALS = 4
_MEAN_SCORE = 0.75
_STANDARD_ERRORS = 5.0

# By how much the mean may differ besides, for each part by which the covariance that was learned is off.
_MEAN_SCORE_OF_ERROR = 0.75

# Chunks looked back upon, the fewest of them, and the part of them that is rejected.
_RECENT_CHUNKS = 40
_FEWEST_RECENT = 8
_MOSTLY = 0.8

# The same for the power of the first tenth of a chunk, in parts of the power of the whole.
_CHUNKS = 400
_FEWEST_CHUNKS = 12
_FEWEST_SAMPLES = 20
_WEAK_START, _STRONG_START = 0.5, 2.0

_CONNECT = "see whether the amplifier is on and every electrode is connected."
_COMPARE = "compare unit, gain, reference, order of the channels and filters."


class StreamMonitor:
    """Compares a stream with the training of its model; what it finds is in `problems`."""

    __slots__ = ("_layout", "_rejected", "_scores", "_starts", "_still")

    def __init__(self) -> None:
        self._rejected: deque[bool] = deque(maxlen=_RECENT_CHUNKS)
        self._still: deque[bool] = deque(maxlen=_RECENT_CHUNKS)
        self._scores: deque[float] = deque(maxlen=_TRIALS)
        self._starts: deque[float] = deque(maxlen=_CHUNKS)
        self._layout = LayoutMonitor()

    def add_chunk(self, is_rejected: bool, *, is_still: bool) -> None:
        """Count a chunk, and whether one of its signals did not vary."""
        self._rejected.append(is_rejected)
        self._still.append(is_still)

    def add_signal(self, chunk: FeatureArray) -> None:
        """Look at a chunk of oscillating signals, shape (n_features × n_samples)."""
        n_features, n_samples = chunk.shape
        if n_samples < _FEWEST_SAMPLES:
            return
        # One feature of a chunk, in turn: a filter restarts in all of them alike, and time is short.
        signal = chunk[len(self._starts) % n_features]
        deviations = signal - np.add.reduce(signal) / n_samples
        first = deviations[: n_samples // 10]
        power = float(deviations @ deviations)
        if power > 0.0:
            self._starts.append(float(first @ first) / power * n_samples / len(first))

    def add_trial(self, outlier_score: float) -> None:
        """Look at the outlier score of a trial."""
        self._scores.append(outlier_score)

    def add_vector(self, decoder: Decoder, vector: FloatArray) -> None:
        """Look at the order and the reference of a trial's features, shape (n_features,)."""
        self._layout.add(decoder, reorder_features(vector))

    def add_channels(self, pipeline: Pipeline, chunk: FeatureArray) -> None:
        """Look at the order of raw channels, shape (n_channels × n_samples × 1)."""
        if not isinstance(pipeline.model, GaussianClassifier):
            return
        vectors = reverse_channels(pipeline, chunk)
        if vectors is not None:
            self._layout.add(pipeline.model, vectors)

    def problems(self) -> tuple[str, ...]:
        """What is unlike the training, and what to do about it, one text each."""
        found = list(self.rejections())
        mean, errors = _mean_and_errors(self._scores, 0.0, least_deviation=1.0)
        beyond = 1.0 - _MEAN_SCORE_OF_ERROR * self._layout.relative_error / max(abs(mean), _MEAN_SCORE)
        is_sign = len(self._scores) >= _FEWEST_TRIALS and beyond * errors > _STANDARD_ERRORS
        if is_sign and abs(mean) > _MEAN_SCORE:
            found.append(
                f"The last {len(self._scores)} trials are unlike those of the training (their outlier scores "
                f"average {mean:.1f}): {_COMPARE}"
            )
        start, errors = _mean_and_errors(self._starts, 1.0)
        is_sign = len(self._starts) >= _FEWEST_CHUNKS and errors > _STANDARD_ERRORS
        if is_sign and not _WEAK_START <= start <= _STRONG_START:
            found.append(
                f"Chunks begin with {start:.2g} times their mean power, as if a filter restarted in each: "
                "filter the stream as a whole, and pass the state of the filter on from chunk to chunk."
            )
        # Where trials are unusual in any case, another order says nothing.
        return tuple(found) or self._layout.problems()

    def rejections(self) -> tuple[str, ...]:
        """That most chunks are rejected, and what to do about it: one text or none."""
        n_rejected, n_chunks = sum(self._rejected), len(self._rejected)
        if n_chunks < _FEWEST_RECENT or n_rejected < _MOSTLY * n_chunks:
            return ()
        if 2 * sum(self._still) > n_rejected:
            return (
                f"{n_rejected} of the last {n_chunks} chunks were rejected, as a signal does not vary: "
                f"{_CONNECT}",
            )
        return (
            f"{n_rejected} of the last {n_chunks} chunks were rejected, as they are unlike those of the "
            f"training: {_COMPARE}",
        )


def _mean_and_errors(
    values: deque[float], expected: float, *, least_deviation: float = 0.0
) -> tuple[float, float]:
    """Mean, and by how many standard errors it differs from what is expected."""
    if len(values) < 2:
        return expected, 0.0
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    deviation = max(math.sqrt(variance), least_deviation, 1e-12)
    return mean, abs(mean - expected) * math.sqrt(len(values)) / deviation
