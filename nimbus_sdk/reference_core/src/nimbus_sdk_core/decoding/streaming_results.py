"""The results of a chunk, and of a trial that was streamed in chunks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .._repr import Summary, format_html_table, format_line
from .._types import FloatArray, LabelArray
from .confidence_calibration import ConfidenceCalibration
from .voting import Aggregation, Label


@dataclass(frozen=True, slots=True, eq=False)
class ChunkResult:
    """The prediction for one chunk. Names follow NimbusSDK.jl.

    The model treats the chunk as a vector like those it was trained on. If these came from longer windows,
    such as whole trials, the chunk's vector is noisier than the model assumes, and ``confidence`` is too
    high: read it as a score. It is a probability if the model was trained on windows of the chunk's length.
    Measured on 1,000 simulated trials of motor imagery (16 samples each):

    ============== =========== ========================== =============================
    samples a chunk right       confidence if trained on   confidence if trained on
                                trials (calibration error) such windows (calibration error)
    ============== =========== ========================== =============================
    16 (the trial)  0.86        0.83 (0.03)                the same
    4               0.77, 0.78  0.82 (0.05)                0.76 (0.02)
    2               0.71, 0.72  0.82 (0.12)                0.71 (0.02)
    1               0.65, 0.66  0.82 (0.17)                0.66 (0.01)
    ============== =========== ========================== =============================

    With ``"logvar"`` the gap is wider, as a variance of few samples spreads widely: with 20 of 200 samples
    0.66 are right at a confidence of 0.95, and at 0.66 after training on such windows.

    Attributes:
        prediction: The most probable label.
        confidence: Its posterior probability, if the chunk were one of the windows of the training.
        posterior: Probability of each class, in the order of ``classes``, shape (n_classes,).
        latency_ms: Time from chunk to result, in milliseconds.
        classes: The model's labels, sorted, shape (n_classes,).
        model_name: Name of the model.
        simulated: Whether the model was trained on simulated data.
        class_priors: Probability that the model gives each class before a chunk is seen, shape (n_classes,).
        n_samples: Length of the chunk.
        entropy: Entropy of ``posterior`` in bits, from 0 to log2(n_classes).
        outlier_score: How unusual the chunk is, as in `BatchResult` if it were one of the windows of the
            training; of shorter chunks it is higher.
        gap: Time that is missing before and within the chunk, in seconds, if time stamps were given.
        timestamp: Time stamp of its last sample, in seconds, if time stamps were given, else nan.
        rejected: Whether it is too unusual to count for the decision on the trial: ``outlier_score`` is above
            the limit that `process_chunk` was given.
        problems: That most of the recent chunks were rejected, as by another unit, gain, reference or filter
            than in the training: a text with what to compare, or nothing.
        class_names: Names of the classes from the model's card, in the order of ``classes``, else None.
    """

    prediction: Label
    confidence: float
    posterior: FloatArray
    latency_ms: float
    classes: LabelArray
    model_name: str
    simulated: bool
    class_priors: FloatArray | None = None
    n_samples: int = 1
    entropy: float = math.nan
    outlier_score: float = math.nan
    gap: float = 0.0
    timestamp: float = math.nan
    rejected: bool = False
    problems: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return format_line("ChunkResult", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("ChunkResult", self._summary())

    def _summary(self) -> Summary:
        return [
            ("prediction", describe_label(self.prediction, self.classes, self.class_names)),
            ("confidence", f"{self.confidence:.3f}"),
            *([("rejected", f"outlier score {self.outlier_score:.1f}")] if self.rejected else []),
            *(("problem", text) for text in self.problems),
            *_summarize_model(self.model_name, self.simulated),
            ("latency", f"{self.latency_ms:.3f} ms"),
        ]


@dataclass(frozen=True, slots=True, eq=False)
class StreamingResult:
    """The decision on a trial from its chunks. Names follow NimbusSDK.jl.

    Attributes:
        prediction: The chosen label.
        confidence: Its probability in ``posterior``; how reliable it is depends on the method:
            `finalize_trial`.
        posterior: Probability of each class, in the order of ``classes``, shape (n_classes,).
        chunk_posteriors: The posterior of each chunk, shape (n_chunks × n_classes).
        entropy: Entropy of ``posterior`` in bits, from 0 to log2(n_classes).
        aggregation_method: How the decision was made: the requested method, or ``"weighted_vote"`` if
            ``"unanimous"`` was requested and the chunks did not agree.
        n_chunks: Number of chunks.
        latency_ms: Computing time of chunks and decision, in milliseconds.
        chunk_latencies_ms: The same of each chunk, shape (n_chunks,).
        balance: How evenly the chunks' predictions spread over the classes: 0 all in one, 1 evenly.
        classes: The model's labels, sorted, shape (n_classes,).
        model_name: Name of the model.
        simulated: Whether the model was trained on simulated data.
        confidence_calibration: How well the confidence agrees with the accuracy, if the label was given.
        class_names: Names of the classes from the model's card, in the order of ``classes``, else None.
        class_priors: Probability that the model gives each class before a trial is seen, shape (n_classes,).
        outlier_score: How unusual the samples of all chunks are together, as in `BatchResult`.
        is_rest: Whether none of the classes is likely: the trial is an outlier, or nearer to one without an
            effect than 95 % of the trials from which the model learned how certain chunks are together. A
            model that did not learn this knows outliers alone.
        gap: Time that is missing between and within the chunks, in seconds, if time stamps were given.
        problems: Signs that the stream is not what the model was trained on, seen over several trials: that
            trial after trial is unusual (another unit, gain, reference or filter, other channels), or that
            the filter restarts in every chunk. A text for each, with what to do.
        timestamp: Time stamp of the last sample, in seconds, if time stamps were given, else nan.
    """

    prediction: Label
    confidence: float
    posterior: FloatArray
    chunk_posteriors: FloatArray
    entropy: float
    aggregation_method: Aggregation
    n_chunks: int
    latency_ms: float
    chunk_latencies_ms: FloatArray
    balance: float
    classes: LabelArray
    model_name: str
    simulated: bool
    confidence_calibration: ConfidenceCalibration | None = None
    class_names: tuple[str, ...] | None = None
    class_priors: FloatArray | None = None
    outlier_score: float = math.nan
    is_rest: bool = False
    gap: float = 0.0
    problems: tuple[str, ...] = ()
    timestamp: float = math.nan

    def __repr__(self) -> str:
        return format_line("StreamingResult", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("StreamingResult", self._summary())

    def _summary(self) -> Summary:
        return [
            ("prediction", describe_label(self.prediction, self.classes, self.class_names)),
            ("confidence", f"{self.confidence:.3f}"),
            *([("rest", "none of the classes is likely")] if self.is_rest else []),
            ("entropy", f"{self.entropy:.3f} of {math.log2(len(self.classes)):.3f} bits"),
            ("chunks", f"{self.n_chunks} by {self.aggregation_method}"),
            *([("missing", f"{self.gap:.3f} s")] if self.gap else []),
            *(("problem", text) for text in self.problems),
            *_summarize_model(self.model_name, self.simulated),
            ("latency", f"{self.latency_ms:.3f} ms"),
        ]


def describe_label(label: Label, classes: LabelArray, names: tuple[str, ...] | None) -> str:
    """Return a label, or the name of its class with the label.

    >>> import numpy as np
    >>> describe_label(2, np.array([1, 2]), ("left_hand", "right_hand"))
    'right_hand (2)'
    """
    if names is None:
        return repr(label)
    name = names[int((classes == label).argmax())]
    return name if name == label else f"{name} ({label!r})"


def _summarize_model(name: str, simulated: bool) -> Summary:
    return [("model", name), *([("trained on", "simulated data")] if simulated else [])]
