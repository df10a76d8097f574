"""Decoding of a trial in chunks while it is recorded, with one decision at the end."""

from __future__ import annotations

import time
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from .._repr import Summary, format_html_table, format_line
from .._types import FloatArray
from ..checks.validation import chunk_as_trial
from ..data.aggregate import aggregate
from ..data.argument_checks import check_kind, check_whole_number
from ..data.features import read_features
from ..data.labels import encode_labels, read_labels
from ..data.metadata import BCIMetadata
from ..errors import CoreDataError
from ..models.compatibility import check_metadata_fits, check_metadata_kind, check_model
from ..models.protocol import Decoder, snapshot
from .batch_result import class_balance
from .confidence_calibration import ConfidenceCalibration, measure_calibration
from .paradigms import temporal_weights
from .streaming_results import ChunkResult, StreamingResult
from .voting import Aggregation, ChunkVotes, Label, decide_trial, is_unanimous

_HINT = "Give what init_streaming(model, metadata) returned."


class StreamingSession:
    """A trial that is being streamed, made by `init_streaming`. Each thread needs a session of its own.

    Attributes:
        model: The trained model.
        metadata: What the chunks are.
        chunk_history: Results of the chunks of this trial so far, oldest first.
    """

    __slots__ = ("chunk_history", "metadata", "model")

    def __init__(self, model: Decoder, metadata: BCIMetadata) -> None:
        self.model = model
        self.metadata = metadata
        self.chunk_history: list[ChunkResult] = []

    def reset(self) -> None:
        """Discard the chunks so far: the next one starts a trial."""
        self.chunk_history = []

    def __repr__(self) -> str:
        return format_line("StreamingSession", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("StreamingSession", self._summary())

    def _summary(self) -> Summary:
        size = self.metadata.chunk_size
        return [
            ("model", _model_name(self.model)),
            *([("trained on", "simulated data")] if _is_simulated(self.model) else []),
            ("chunk", f"{self.metadata.n_features} features × {size or 'any number of'} samples"),
            ("chunks so far", str(len(self.chunk_history))),
        ]


def init_streaming(model: Decoder, metadata: BCIMetadata) -> StreamingSession:
    """Start decoding in chunks.

    Args:
        model: A trained model.
        metadata: What the chunks are, as the model was trained. With ``chunk_size`` every chunk must have
            that length, so that lost samples are noticed; with None any length is accepted.
            ``sampling_rate`` is informational and not checked: a model reads one vector for each chunk, and
            does not know of how many samples it was made, nor at what rate.

    Raises:
        CoreTypeError: Not a model, or not BCIMetadata.
        CoreDataError: Another number of features or classes.
        ModelMismatchError: Another paradigm, feature type or temporal aggregation.
        NotTrainedError: The model is not trained.

    Examples:
        >>> from nimbus_sdk_core import BCIMetadata, NimbusLDA, load_model
        >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
        >>> session = init_streaming(model, BCIMetadata(4.0, "motor_imagery", "csp", 16, 4, chunk_size=4))
        >>> len(session.chunk_history)
        0
    """
    check_model(model)
    check_metadata_kind(metadata)
    check_metadata_fits(model, metadata)
    return StreamingSession(model, metadata)


def process_chunk(
    session: StreamingSession, chunk: npt.ArrayLike, *, iterations: SupportsIndex = 10
) -> ChunkResult:
    """Decode one chunk and store the result for the decision on the trial.

    The confidence is calibrated for windows of the length that the model was trained on. Of shorter chunks it
    is too high, of chunks of 4 samples after training on 16 by 0.05, and with ``"logvar"`` by far more:
    `ChunkResult` has the figures. To have it right, train on trials that are cut into such windows.

    Args:
        session: From `init_streaming`.
        chunk: Shape (n_features × n_samples). It is not stored.
        iterations: Accepted for compatibility with NimbusSDK.jl. The predictive has a closed form that needs
            no iterations, so the number is ignored.

    Raises:
        CoreTypeError: ``session`` is not a StreamingSession.
        CoreDataError: Another shape, or values that are not finite; the session stays as it was.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model, simulate
        >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
        >>> trials = simulate("motor_imagery", n_trials=1, seed=3)
        >>> session = init_streaming(model, trials.metadata)
        >>> result = process_chunk(session, trials.features[:, :4, 0])
        >>> result.prediction in model.classes_, result.posterior.shape
        (True, (4,))
    """
    started = time.perf_counter()
    check_kind("session", session, StreamingSession, _HINT)
    check_whole_number("iterations", iterations, least=1, most=2**31 - 1)
    metadata, model = session.metadata, snapshot(session.model)
    trial = read_features(chunk_as_trial(chunk, metadata), metadata)
    posterior = model.score_trials(aggregate(trial, metadata.temporal_aggregation)).posteriors[0]
    best, classes = int(posterior.argmax()), model.classes_
    result = ChunkResult(
        prediction=classes[best].item(),
        confidence=float(posterior[best]),
        posterior=posterior,
        latency_ms=1e3 * (time.perf_counter() - started),
        classes=classes.copy(),
        model_name=_model_name(model),
        simulated=_is_simulated(model),
        class_priors=model.priors_,
    )
    session.chunk_history.append(result)
    return result


def finalize_trial(
    session: StreamingSession,
    *,
    method: Aggregation = "weighted_vote",
    temporal_weighting: bool = True,
    label: Label | None = None,
) -> StreamingResult:
    """Decide on the trial from its chunks; the session is then ready for the next trial.

    The confidence orders trials, but is not a probability of being right. Chunks are treated as equally
    reliable and possibly all wrong together, so that votes and means are underconfident; the most confident
    of several chunks is overconfident. A threshold therefore belongs to a method. Measured on 1,000 simulated
    trials of motor imagery in chunks of 4 of 16 samples, with the model of whole trials:

    ============== ===== ========== ================================= =================================
    method         right confidence below 0.5: trials (right of them) below 0.7: trials (right of them)
    ============== ===== ========== ================================= =================================
    weighted_vote  0.85  0.73       19 % (59 %)                       46 % (72 %)
    posterior_mean 0.85  0.75       11 % (46 %)                       40 % (67 %)
    max_confidence 0.82  0.92       none                              4 % (55 %)
    whole trial    0.86  0.83       6 % (57 %)                        25 % (63 %)
    ============== ===== ========== ================================= =================================

    The last row is `predict_batch`, which sees all samples at once and whose confidence is calibrated.

    Args:
        session: From `init_streaming`, with at least one chunk processed.
        method: How chunks become one decision: see `aggregate_chunks`.
        temporal_weighting: Whether chunks are weighted by their time in the trial, as is usual for the
            paradigm: see `temporal_weights`. Otherwise all count the same.
        label: The true label, if known; the result then has the calibration of the confidence.

    Raises:
        CoreTypeError: ``session`` is not a StreamingSession.
        CoreDataError: No chunk was processed, there is no such method, or the label is not among the
            classes; the session stays as it was.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model, simulate
        >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
        >>> trials = simulate("motor_imagery", n_trials=1, seed=3)
        >>> session = init_streaming(model, trials.metadata)
        >>> for start in range(0, 16, 4):
        ...     chunk = process_chunk(session, trials.features[:, start : start + 4, 0])
        >>> result = finalize_trial(session)
        >>> result.n_chunks, bool(result.prediction == trials.labels[0])
        (4, True)
    """
    started = time.perf_counter()
    check_kind("session", session, StreamingSession, _HINT)
    chunks, classes = session.chunk_history, session.model.classes_
    if not chunks:
        raise CoreDataError("This trial has no chunks yet.", "Call process_chunk(session, chunk) first.")
    votes = _collect_votes(chunks)
    if temporal_weighting:
        votes = votes._replace(weights=temporal_weights(session.metadata.paradigm, len(chunks)))
    posterior, best = decide_trial(votes, method)
    calibration = None if label is None else _measure_calibration(session, best, posterior[best], label)
    latencies = np.array([chunk.latency_ms for chunk in chunks])
    fell_back = method == "unanimous" and not is_unanimous(votes.choices)
    session.reset()
    return StreamingResult(
        prediction=classes[best].item(),
        confidence=float(posterior[best]),
        posterior=posterior,
        chunk_posteriors=votes.posteriors,
        entropy=_entropy(posterior),
        aggregation_method="weighted_vote" if fell_back else method,
        n_chunks=len(chunks),
        latency_ms=float(latencies.sum()) + 1e3 * (time.perf_counter() - started),
        chunk_latencies_ms=latencies,
        balance=class_balance(np.bincount(votes.choices, minlength=len(classes))),
        classes=classes.copy(),
        model_name=_model_name(session.model),
        simulated=_is_simulated(session.model),
        confidence_calibration=calibration,
        class_names=None if session.model.card is None else session.model.card.class_names,
        class_priors=session.model.priors_,
    )


def _collect_votes(chunks: list[ChunkResult]) -> ChunkVotes:
    posteriors = np.stack([chunk.posterior for chunk in chunks])
    return ChunkVotes(posteriors.argmax(axis=1), posteriors.max(axis=1), posteriors, np.ones(len(chunks)))


def _measure_calibration(
    session: StreamingSession, best: int, confidence: float, label: Label
) -> ConfidenceCalibration:
    truth = encode_labels(read_labels([label]), session.model.classes_)
    return measure_calibration(np.array([confidence]), truth == best)


def _entropy(posterior: FloatArray) -> float:
    above = posterior[posterior > 0.0]
    return float(max(0.0, -(above * np.log2(above)).sum()))


def _model_name(model: Decoder) -> str:
    return model.card.name if model.card is not None else type(model).__name__


def _is_simulated(model: Decoder) -> bool:
    return model.card is not None and model.card.simulated
