"""A live stream is decoded like the same recording offline, whatever it looks like on the way."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    ChunkResult,
    CoreDataError,
    CoreTypeError,
    ModelMismatchError,
    NimbusLDA,
    NotTrainedError,
    Pipeline,
    StreamError,
    StreamingResult,
    SuspiciousDataWarning,
    decode_stream,
    load_model,
    predict_batch,
    save_model,
    train_model,
)
from nimbus_sdk_core.live.causal_filter import CausalFilter

from tests.reference_core.live.recording import (
    BAND,
    CHANNELS,
    RATE,
    TRIAL,
    WINDOW,
    cut,
    filter_causally,
    make_pipeline,
    read_recording,
)

ABOUT = {"channel_names": CHANNELS, "unit": "uV", "sampling_rate": RATE}
SETTLING = CausalFilter(BAND, RATE).n_settling


def decode(
    samples: np.ndarray, sizes: str = "even", **options: object
) -> list[ChunkResult | StreamingResult]:
    """All results of a stream of samples."""
    chosen = {"window": 1.0, "step": 0.25, **ABOUT, **options}
    return list(decode_stream(make_pipeline(), cut(samples, sizes), **chosen))


def chunks_of(results: Iterable[ChunkResult | StreamingResult]) -> list[ChunkResult]:
    """The results of windows."""
    return [result for result in results if isinstance(result, ChunkResult)]


def decisions_of(results: Iterable[ChunkResult | StreamingResult]) -> list[StreamingResult]:
    """The decisions."""
    return [result for result in results if isinstance(result, StreamingResult)]


def some_seconds(seconds: float) -> np.ndarray:
    """The start of the recording of the last runs."""
    return read_recording(3, 5)[0][:, : round(seconds * RATE)]


def test_windows_have_the_posteriors_of_the_same_recording_offline() -> None:
    """Of windows cut from the whole recording after a causal filter; the last sample tells the time."""
    samples = some_seconds(30.0)
    chunks = chunks_of(decode(samples, min_chunks=10**6, max_chunks=10**6, max_outlier_score=np.inf))
    starts = SETTLING + np.arange(len(chunks)) * 64
    assert samples.shape[1] - 64 < starts[-1] + WINDOW <= samples.shape[1]
    filtered = filter_causally(samples)
    pipeline = make_pipeline()
    windows = BCIData(
        np.stack([filtered[:, start : start + WINDOW] for start in starts], axis=2), pipeline.metadata
    )
    offline = predict_batch(pipeline, windows).posteriors
    np.testing.assert_allclose([chunk.posterior for chunk in chunks], offline, rtol=0, atol=1e-9)
    np.testing.assert_allclose([chunk.timestamp for chunk in chunks], (starts + WINDOW - 1) / RATE, atol=1e-9)


@pytest.mark.parametrize("sizes", ["whole", "single", "uneven"])
def test_how_samples_arrive_makes_no_difference(sizes: str) -> None:
    """All at once, one by one, or in chunks of any length, some of them empty."""
    expected, found = decode(some_seconds(8.0)), decode(some_seconds(8.0), sizes)
    assert len(expected) == len(found) > 10
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one.posterior, other.posterior, rtol=0, atol=1e-9)
        assert one.timestamp == pytest.approx(other.timestamp)
        assert one.gap == other.gap == 0.0


def test_other_runs_of_a_real_recording_are_decoded() -> None:
    """Of the windows and decisions within one trial, more than eight in ten name what was looked at."""
    samples, labels = read_recording(3, 4)
    results = decode(samples, "uneven", confidence=0.8, pause=0.2)
    for some, fewest in ((chunks_of(results), 150), (decisions_of(results), 30)):
        right = []
        for result in some:
            end = round(result.timestamp * RATE)
            start = end - WINDOW - 64 * (getattr(result, "n_chunks", 1) - 1)
            if start // TRIAL == end // TRIAL:
                right.append(result.prediction == labels[end // TRIAL])
        assert len(right) > fewest
        assert np.mean(right) > 0.8


def test_channels_are_found_by_name_and_scaled_to_the_unit_of_the_model() -> None:
    """In another order, among others, in volts."""
    samples = some_seconds(10.0)
    noise = np.full((1, samples.shape[1]), 1e3)
    mixed = np.concatenate([samples[[3]], noise, samples[[1]], samples[[0]], noise, samples[[2]]])
    names = ["TP10", "AUX1", "AF7", "TP9", "AUX2", "AF8"]
    found = decode(1e-6 * mixed, channel_names=names, unit="V")
    for one, other in zip(decode(samples), found, strict=True):
        np.testing.assert_allclose(one.posterior, other.posterior, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (
            {"channel_names": ["TP9", "AF7", "AF8", "Cz"]},
            ModelMismatchError,
            "has no channel TP10.*channels are TP9",
        ),
        (
            {"channel_names": ["TP9", "AF7", "AF8", "TP10", "TP9"]},
            CoreDataError,
            "TP9 more than once",
        ),
        (
            {"sampling_rate": 250.0},
            ModelMismatchError,
            "has 250 samples a second.*'flicker' was trained at 256",
        ),
        (
            dict.fromkeys(ABOUT),
            CoreDataError,
            "its channel names, unit and sampling rate.*unit='uV'",
        ),
        ({"unit": "mV"}, CoreDataError, "unit is 'mV'"),
        ({"channel_names": "TP9"}, CoreDataError, "'TP9', not a list of names"),
        ({"channel_names": [*CHANNELS, "Cz"]}, CoreDataError, re.escape("(4, 32); expected are 5 channels")),
    ],
)
def test_a_stream_that_does_not_fit_is_refused(
    given: dict[str, object], error: type[Exception], words: str
) -> None:
    """Before it is decoded, with what differs and what to do."""
    with pytest.raises(error, match=words):
        decode(some_seconds(1.0), **given)


def test_windows_do_not_span_a_gap() -> None:
    """The first window after it says how much is missing, and is decoded as if a stream began there."""
    samples = some_seconds(20.0)
    lost = slice(2000, 2100)
    stamps = np.delete(np.arange(samples.shape[1]) / RATE, lost)
    stream = [(np.delete(samples, lost, axis=1), stamps)]
    options = {"window": 1.0, "step": 0.25, "min_chunks": 10**6, "max_chunks": 10**6, **ABOUT}
    chunks = chunks_of(decode_stream(make_pipeline(), stream, **options))
    ends = np.array([chunk.timestamp for chunk in chunks]) * RATE
    after = int(np.flatnonzero(ends > 2000)[0])
    assert ends[after] == pytest.approx(2100 + SETTLING + WINDOW - 1)
    assert chunks[after].gap == pytest.approx(100 / RATE, abs=1e-6)
    assert sum(chunk.gap > 0 for chunk in chunks) == 1
    anew = chunks_of(decode_stream(make_pipeline(), [(samples[:, 2100:], stamps[2000:])], **options))
    np.testing.assert_allclose(
        [chunk.posterior for chunk in chunks[after:]], [chunk.posterior for chunk in anew], atol=1e-9
    )


@pytest.mark.parametrize(("lost", "n_chunks", "n_after"), [(0.5, 9, 4), (3.0, 6, 6)])
def test_a_trial_goes_on_over_a_short_gap_and_starts_anew_after_a_long_one(
    lost: float, n_chunks: int, n_after: int
) -> None:
    """Longer than a window; what is missing is in the decision."""
    before = SETTLING + WINDOW + 4 * 64
    samples = some_seconds(10.0)
    after = before + round(lost * RATE)
    stamps = np.arange(samples.shape[1]) / RATE
    stream = [(samples[:, :before], stamps[:before]), (samples[:, after:], stamps[after:])]
    options = {"window": 1.0, "step": 0.25, "min_chunks": n_chunks, "max_chunks": n_chunks, **ABOUT}
    decision = decisions_of(decode_stream(make_pipeline(), stream, **options))[0]
    assert decision.n_chunks == n_chunks
    assert decision.gap == pytest.approx(lost, abs=1e-6)
    assert decision.timestamp * RATE == pytest.approx(after + SETTLING + WINDOW - 1 + (n_after - 1) * 64)


def test_samples_that_are_not_numbers_are_missing() -> None:
    """If time stamps show where; without, there is an error and not a silent filter of nothing."""
    samples = some_seconds(6.0).copy()
    samples[2, 700:800] = np.nan
    assert sum(chunk.gap for chunk in chunks_of(decode(samples))) == pytest.approx(100 / RATE, abs=1e-6)
    with pytest.raises(CoreDataError, match="not all finite"):
        list(decode_stream(make_pipeline(), cut(samples, "even", stamps=False), window=1, step=1, **ABOUT))


def test_nothing_is_decoded_in_the_pause_after_a_decision() -> None:
    """The first window of the next trial begins after it, also if samples are lost meanwhile."""
    results = decode(some_seconds(20.0), confidence=0.6, pause=1.5)
    decided = [k for k, result in enumerate(results[:-1]) if isinstance(result, StreamingResult)]
    assert len(decided) > 3
    for k in decided:
        assert results[k].timestamp == results[k - 1].timestamp
        assert results[k + 1].timestamp - results[k].timestamp == pytest.approx(1.5 + 1.0)
        assert results[k + 1].gap == 0.0


def test_a_decision_is_made_after_the_most_windows() -> None:
    """However uncertain it is; and not before the fewest, however certain."""
    assert {
        result.n_chunks for result in decisions_of(decode(some_seconds(20.0), confidence=1.0, max_chunks=3))
    } == {3}
    certain = decisions_of(decode(some_seconds(20.0), confidence=0.5, min_chunks=4, max_chunks=9))
    assert {result.n_chunks for result in certain} == {4}


def test_artefacts_are_shown_and_do_not_count() -> None:
    """Windows with a movement are rejected, and a trial of nothing else has no decision."""
    samples = some_seconds(20.0).copy()
    samples[:, 1280:1350] *= 200.0
    results = decode(samples, confidence=1.0, max_chunks=40)
    rejected = [round(chunk.timestamp * RATE) for chunk in chunks_of(results) if chunk.rejected]
    assert rejected
    assert all(1280 <= end <= 1350 + 2 * WINDOW for end in rejected)
    assert "rejected" in repr(next(chunk for chunk in chunks_of(results) if chunk.rejected))
    first = decisions_of(results)[0]
    assert first.n_chunks == 40 - len(rejected)
    with pytest.warns(SuspiciousDataWarning):
        assert not decisions_of(decode(1e4 * samples, max_chunks=3))


@pytest.mark.parametrize(("begin", "end"), [(0, 640), (1280, 2560)])
@pytest.mark.parametrize("channels", [slice(None), slice(2, 3)])
def test_a_signal_that_does_not_vary_is_rejected(begin: int, end: int, channels: slice) -> None:
    """An amplifier that is not awake, or an electrode that is off, costs its windows and not the stream."""
    samples = some_seconds(20.0).copy()
    samples[channels, begin:end] = 0.0
    results = decode(samples, confidence=1.0, max_chunks=1000)
    still = [c for c in chunks_of(results) if begin + 2 * WINDOW <= c.timestamp * RATE <= end]
    assert still
    assert all(chunk.rejected and chunk.posterior.sum() == pytest.approx(1.0) for chunk in still)
    assert not chunks_of(results)[-1].rejected


def test_a_stream_without_a_signal_is_explained() -> None:
    """The warning speaks of amplifier and electrodes, and not of units."""
    with pytest.warns(SuspiciousDataWarning, match="does not vary: see whether the amplifier is on"):
        decode(np.zeros((len(CHANNELS), round(10 * RATE))))


def test_overlapping_windows_are_counted_once() -> None:
    """The evidence of a second in windows that overlap is that of a second, and not of four."""
    samples = some_seconds(10.0)
    dense = decisions_of(decode(samples, step=0.05, confidence=1.0, max_chunks=21))[0]
    apart = decisions_of(decode(samples, step=1.0, confidence=1.0, max_chunks=2))[0]
    assert dense.timestamp == pytest.approx(apart.timestamp, abs=1e-2)
    assert abs(np.log(dense.posterior[0] / apart.posterior[0])) < 0.5
    assert dense.gap == apart.gap == 0.0


def test_a_stream_that_falls_silent_ends_with_an_error() -> None:
    """Which says for how long, and what to look at; one that ends is no error."""

    def silent() -> Iterator[tuple[np.ndarray, None]]:
        yield some_seconds(2.0), None
        while True:
            yield np.empty((0, 0)), None

    results = decode_stream(make_pipeline(), silent(), window=1, step=0.5, timeout=0.02, **ABOUT)
    with pytest.raises(StreamError, match=r"no samples for 0.02 seconds.*Check the amplifier") as raised:
        list(results)
    assert isinstance(raised.value, ConnectionError)
    assert decode(some_seconds(0.1)) == []


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"step": 2.0}, CoreDataError, "step is 2 seconds and window 1"),
        ({"window": 0}, CoreDataError, "window is 0"),
        ({"confidence": 2}, CoreDataError, "confidence is 2"),
        ({"min_chunks": 5, "max_chunks": 4}, CoreDataError, "max_chunks is 4"),
        ({"pause": -1}, CoreDataError, "pause is -1"),
        ({"band": "wide"}, CoreDataError, "Use 'model', 'off', or a band"),
        ({"band": (30, 8)}, CoreDataError, "lowest and the highest"),
        ({"band": (200, 210)}, CoreDataError, "needs more than 400 samples a second"),
        ({"stream": 5}, CoreTypeError, "an iterable of"),
        ({"stream": [np.zeros((4, 32))]}, CoreDataError, "gave an ndarray"),
        (
            {"stream": [(np.zeros((4, 32)), [1.0, 2.0])]},
            CoreDataError,
            re.escape("shape (2,) for 32 sample(s)"),
        ),
        ({"stream": [("no", None)]}, CoreDataError, "not numbers"),
        ({"stream": [(5.0, [0.0])]}, CoreDataError, re.escape("gave samples of shape ()")),
        ({"stream": [(np.array([1.0, np.nan]), [0.0, 0.1])]}, CoreDataError, re.escape("of shape (2,)")),
        ({"stream": [(np.full((4, 3, 2), np.nan), [0.0, 0.1])]}, CoreDataError, re.escape("(4, 3, 2)")),
        ({"model": "flicker"}, CoreTypeError, "not a model"),
        ({"model": NimbusLDA()}, NotTrainedError, "not trained"),
        ({"model": NimbusLDA().fit(np.eye(4), [1, 1, 2, 2])}, CoreDataError, "no metadata"),
        ({"model": make_pipeline().model}, ModelMismatchError, "features of the kind 'csp'.*Give a pipeline"),
    ],
)
def test_arguments_are_checked(options: dict[str, object], error: type[Exception], words: str) -> None:
    """Each error says what to give."""
    given = {"model": make_pipeline(), "stream": cut(some_seconds(0.5), "even"), "window": 1.0, "step": 0.5}
    given |= {**ABOUT, **options}
    with pytest.raises(error, match=words):
        list(decode_stream(given.pop("model"), given.pop("stream"), **given))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"unit": "V"}, 1.0),
        ({}, 1e4),
        ({"channel_names": CHANNELS[::-1]}, np.array([[9], [5], [0.1], [0.1]])),
    ],
)
def test_a_stream_that_is_not_like_the_training_is_explained(given: dict[str, object], what: object) -> None:
    """Once as a warning, and in each result from then on: what has to be compared."""
    with pytest.warns(SuspiciousDataWarning, match="compare unit, gain, reference, order") as warned:
        chunks = chunks_of(decode(30.0 * what * some_seconds(8.0), **given))
    assert len(warned) == 1
    begins = next(k for k, chunk in enumerate(chunks) if chunk.problems)
    assert 4 <= begins <= 20
    assert all("chunks were rejected" in chunk.problems[0] for chunk in chunks[begins:])
    assert "problem" in repr(chunks[begins])


def test_a_movement_is_no_problem_of_the_stream(recwarn: pytest.WarningsRecorder) -> None:
    """Some rejected windows among others are usual."""
    samples = some_seconds(20.0).copy()
    samples[:, 2000:2500] *= 200.0
    chunks = chunks_of(decode(samples))
    assert sum(chunk.rejected for chunk in chunks) > 5
    assert not any(chunk.problems for chunk in chunks)
    assert not recwarn.list


def test_the_file_of_a_pipeline_knows_the_band(tmp_path: Path) -> None:
    """So that a saved pipeline decodes a stream like the one that was saved."""
    path = save_model(make_pipeline(), tmp_path / "flicker.nimbus")
    loaded = load_model(Pipeline, path)
    assert loaded.metadata.band == BAND
    samples = some_seconds(4.0)
    again = list(decode_stream(loaded, cut(samples, "even"), window=1.0, step=0.25, **ABOUT))
    assert [result.confidence for result in again] == [result.confidence for result in decode(samples)]


def test_a_model_alone_reads_channels_and_needs_a_band() -> None:
    """If its features are channels; a model that does not know its band asks for it."""
    random = np.random.default_rng(1)
    labels = np.arange(40) % 2
    about = BCIMetadata(100.0, "motor_imagery", "raw_filtered", 3, 2, temporal_aggregation="logvar")
    model = train_model(
        NimbusLDA, BCIData(random.normal(size=(3, 100, 40)) * (1.0 + 2.0 * labels), about, labels)
    )
    stream = [(random.normal(size=(3, 250)), None)]
    options = {"window": 1.0, "step": 0.5, "sampling_rate": 100.0}
    with pytest.raises(CoreDataError, match=r"band of the model's training is not known.*band='off'"):
        decode_stream(model, stream, **options)
    found = list(decode_stream(model, stream, band="off", min_chunks=9, **options))
    assert [result.prediction for result in found] == [0, 0, 0, 0]
    with pytest.raises(ModelMismatchError, match=r"has 2 channels, and the model .* reads 3"):
        list(decode_stream(model, stream, band="off", channel_names=["a", "b"], **options))
