"""decode_stream: decode a live stream in sliding windows, and decide."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal, SupportsFloat, SupportsIndex, TypeAlias

from .._types import FloatArray
from ..checks.validation import SuspiciousDataWarning
from ..data.argument_checks import (
    check_duration,
    check_limit,
    check_positive_number,
    check_probability,
    check_whole_number,
    describe_kind,
)
from ..data.metadata import BCIMetadata, Unit, check_band
from ..decoding.streaming import StreamingSession, finalize_trial, init_streaming, process_chunk, should_stop
from ..decoding.streaming_results import ChunkResult, StreamingResult
from ..errors import CoreDataError, CoreTypeError
from ..models.compatibility import get_n_features
from ..models.pipeline import Pipeline, find_decoder
from ..models.protocol import Decoder
from .causal_filter import CausalFilter
from .lsl import LslStream, is_lsl_stream, open_lsl_stream
from .sliding_windows import SlidingWindows, Window
from .sources import Samples, Source, read_samples
from .stream_clock import StreamClock
from .stream_description import ChannelMap, StreamDescription, match_stream, require_channels

Stream: TypeAlias = str | LslStream | Iterable[Samples]
Band: TypeAlias = tuple[float, float] | Literal["model", "off"]


@dataclass(frozen=True, slots=True)
class _Rules:
    """When a trial ends, and what counts as evidence."""

    window: float
    confidence: float
    min_chunks: int
    max_chunks: int
    pause: float
    max_outlier_score: float


def decode_stream(
    model: Decoder | Pipeline,
    stream: Stream,
    *,
    window: SupportsFloat,
    step: SupportsFloat,
    band: Band = "model",
    confidence: SupportsFloat = 0.9,
    min_chunks: SupportsIndex = 1,
    max_chunks: SupportsIndex = 20,
    pause: SupportsFloat = 1.0,
    max_outlier_score: SupportsFloat = 10.0,
    channel_names: Sequence[str] | None = None,
    unit: Unit | None = None,
    sampling_rate: SupportsFloat | None = None,
    timeout: SupportsFloat = 10.0,
) -> Iterator[ChunkResult | StreamingResult]:
    """Decode a live stream: a result for each sliding window, and a decision as soon as one is certain.

    Channels are chosen by their names, in the order of the model, and scaled to its unit. A causal filter
    passes its state on from chunk to chunk. Windows are the same however the samples arrive. Where time
    stamps show that samples are missing, the filter starts anew and no window spans the gap; after one longer
    than a window, a trial starts anew too. After a decision nothing is decoded during the pause.

    The stream ends when the iterable does, with an error, or when the loop is left; what was opened here is
    then closed. Samples are read while the loop asks for results. Those of a stream opened by its name
    wait five seconds; a program that is busy for longer loses some, which shows as a gap.

    Args:
        model: A trained model or a pipeline. A pipeline reads the channels of the stream; a model alone does
            if its features are channels.
        stream: The name of a stream of the Lab Streaming Layer; or a connected ``mne_lsl.stream.StreamLSL``;
            or any iterable of ``(samples, timestamps)``, with samples of shape (n_channels × n_samples) and
            the time stamp of each in seconds, or None. An iterable that waits for samples yields empty ones.
        window: Length of a window in seconds, at best that of the windows of the training.
        step: From the start of a window to that of the next, in seconds, at most ``window``.
        band: Lowest and highest frequency in Hz of a Butterworth filter of order 4; ``"model"``: the band of
            the model's metadata; ``"off"``: the stream is filtered already.
        confidence: The probability of a class at which a decision is made.
        min_chunks: The fewest windows to decide on.
        max_chunks: The windows after which a decision is made in any case.
        pause: Seconds after a decision that are not decoded.
        max_outlier_score: Windows with a higher outlier score are ``rejected``: they do not count. If that
            happens to most of them, their ``problems`` and a `SuspiciousDataWarning` say what to compare.
        channel_names: Names of the stream's channels, if it has none or other names than the model.
        unit: ``"V"`` or ``"uV"``, if the stream does not say it.
        sampling_rate: In Hz, if the stream does not say it.
        timeout: Seconds to look for the stream, and without samples, before an error.

    Yields:
        A `ChunkResult` for each window, and after the last window of a trial its `StreamingResult`.

    Raises:
        CoreDataError: An argument is out of range, the stream does not say what has to be compared, or the
            band is not known.
        CoreTypeError: Not a model, or not a stream.
        ModelMismatchError: The stream lacks channels that the model reads, or has another rate or unit.
        StreamError: There is no such stream, or it sends no samples any more.
        MissingLibraryError: SciPy is not installed, or mne-lsl for a stream of the Lab Streaming Layer.
        NotTrainedError: The model is not trained.

    Examples:
        >>> import numpy as np
        >>> from nimbus_sdk_core import BCIData, BCIMetadata, NimbusLDA, train_model
        >>> random = np.random.default_rng(1)
        >>> labels = np.arange(40) % 2
        >>> about = BCIMetadata(
        ...     100.0, "motor_imagery", "raw_filtered", 2, 2, temporal_aggregation="logvar",
        ...     channel_names=("C3", "C4"), unit="uV",
        ... )
        >>> trials = random.normal(size=(2, 100, 40)) * (1.0 + 2.0 * labels)
        >>> model = train_model(NimbusLDA, BCIData(trials, about, labels))
        >>> samples = 3e-6 * random.normal(size=(2, 500))
        >>> stream = [(samples[::-1], np.arange(500) / 100.0)]
        >>> results = decode_stream(
        ...     model, stream, window=1.0, step=0.5, band="off",
        ...     channel_names=["C4", "C3"], unit="V", sampling_rate=100,
        ... )
        >>> [type(result).__name__ for result in results][:2]
        ['ChunkResult', 'StreamingResult']
    """
    metadata = _read_metadata(model)
    require_channels(_describe_model(model), metadata)
    length, every = check_positive_number("window", window), check_positive_number("step", step)
    if every > length:
        raise CoreDataError(
            f"step is {every:g} seconds and window {length:g}: samples between them would be ignored.",
            "Give a step that is not longer than the window.",
        )
    rate = metadata.sampling_rate
    n_samples = max(1, round(length * rate))
    least = check_whole_number("min_chunks", min_chunks, least=1, most=2**31 - 1)
    rules = _Rules(
        window=length,
        confidence=check_probability("confidence", confidence),
        min_chunks=least,
        max_chunks=check_whole_number("max_chunks", max_chunks, least=least, most=2**31 - 1),
        pause=check_duration("pause", pause),
        max_outlier_score=check_limit("max_outlier_score", max_outlier_score),
    )
    seconds = check_positive_number("timeout", timeout)
    # Before there is a stream to compare with.
    StreamDescription("The stream").corrected(channel_names, unit, sampling_rate)
    filtering = CausalFilter(_choose_band(band, metadata), rate)
    windows = SlidingWindows(n_samples, every, rate)
    session = init_streaming(model, replace(metadata, chunk_size=n_samples))
    opening = _open(stream, seconds)

    def decode() -> Iterator[ChunkResult | StreamingResult]:
        with opening as opened:
            described = opened.described.corrected(channel_names, unit, sampling_rate)
            channels = match_stream(described, _describe_model(model), metadata)
            arriving = read_samples(replace(opened, described=described), seconds)
            cut = _cut(arriving, channels, filtering, windows, StreamClock(rate))
            yield from _decide(session, cut, windows, rules)

    return decode()


def _cut(
    arriving: Iterator[tuple[FloatArray, FloatArray | None]],
    channels: ChannelMap,
    filtering: CausalFilter,
    windows: SlidingWindows,
    clock: StreamClock,
) -> Iterator[tuple[Window, float | None]]:
    """Yield each window, and the seconds that are missing before it if it continues nothing, else None."""
    gap: float | None = None
    for samples, stamps in arriving:
        picked = channels.read(samples)
        for segment in clock.place(stamps, picked.shape[1]):
            if segment.gap is not None:
                gap = segment.gap + (gap or 0.0)
                filtering.restart()
                windows.restart()
            windows.add(filtering.apply(picked[:, segment.start : segment.stop]), segment.end_time)
            while (window := windows.take()) is not None:
                yield window, gap
                gap = None


def _decide(
    session: StreamingSession,
    cut: Iterator[tuple[Window, float | None]],
    windows: SlidingWindows,
    rules: _Rules,
) -> Iterator[ChunkResult | StreamingResult]:
    n_windows, has_warned = 0, False
    for window, gap in cut:
        if gap is not None:
            if gap > rules.window:
                session.reset()
                n_windows = 0
            # As if the sample before the gap came now, so that the time in which the filter settles, and that
            # between trials, is not counted as missing.
            session.gaps.measure(window.time - gap - 1.0 / session.metadata.sampling_rate, 1)
        n_windows += 1
        result = process_chunk(
            session,
            window.samples,
            timestamps=window.time,
            max_outlier_score=rules.max_outlier_score,
        )
        if result.problems and not has_warned:
            # A program that waits for decisions would wait for ever, and not learn why.
            warnings.warn(result.problems[0], SuspiciousDataWarning, stacklevel=3)
            has_warned = True
        yield result
        is_last = n_windows == rules.max_chunks
        if should_stop(session, confidence=rules.confidence, min_chunks=rules.min_chunks) or (
            is_last and session.chunk_history
        ):
            yield finalize_trial(session)
            windows.pause(rules.pause)
            n_windows = 0
        elif is_last:
            session.reset()
            n_windows = 0


def _open(stream: Stream, timeout: float) -> AbstractContextManager[Source]:
    """Open a stream; leaving the context closes what was opened here."""
    if isinstance(stream, str) or is_lsl_stream(stream):
        return open_lsl_stream(stream, timeout)
    if not isinstance(stream, Iterable):
        raise CoreTypeError(
            f"stream is {describe_kind(stream)}.",
            "Give the name of an LSL stream, a StreamLSL, or an iterable of (samples, timestamps).",
        )
    return nullcontext(Source(StreamDescription("The stream"), stream))


def _read_metadata(model: Decoder | Pipeline) -> BCIMetadata:
    # Raises an error for what is not a model, or not trained.
    get_n_features(find_decoder(model))
    if model.card is None:
        raise CoreDataError(
            "This model has no metadata of its data, so a stream cannot be compared with it.",
            "Train it with train_model(), or set model.card = ModelCard(name, metadata).",
        )
    return model.card.metadata


def _choose_band(band: Band, metadata: BCIMetadata) -> tuple[float, float] | None:
    if isinstance(band, str):
        if band == "off":
            return None
        if band != "model":
            raise CoreDataError(f"band is {band!r}.", "Use 'model', 'off', or a band such as (8, 30), in Hz.")
        if metadata.band is None:
            raise CoreDataError(
                "The band of the model's training is not known.",
                "Give band=(8, 30) or the like, in Hz; or band='off' if the stream is filtered already.",
            )
        return metadata.band
    return check_band(band)


def _describe_model(model: Decoder | Pipeline) -> str:
    return "the model" if model.card is None else f"the model {model.card.name!r}"
