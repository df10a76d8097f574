"""Streams that are not what their model was trained on are noticed."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    NimbusLDA,
    Pipeline,
    SpatialFilters,
    StreamingResult,
    assess_trial_quality,
    finalize_trial,
    init_streaming,
    process_chunk,
    train_model,
)
from nimbus_sdk_core.decoding.stream_monitor import StreamMonitor
from scipy import signal

from tests.reference_core.support import simulated

RATE, N_CHANNELS, CHUNK = 250.0, 6, 50
BAND = signal.butter(4, [8.0, 30.0], "bandpass", fs=RATE, output="sos")
Change = Callable[[np.ndarray], np.ndarray]


@cache
def record(seed: int, n_trials: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """EEG in volts, not filtered: 1/f background, slow drifts, and a rhythm that one class suppresses."""
    random = np.random.default_rng(seed)
    n_samples, labels = 700, np.arange(n_trials) % 2
    frequencies = np.fft.rfftfreq(n_samples, 1.0 / RATE)

    def draw(n_sources: int, power: np.ndarray) -> np.ndarray:
        shape = (n_trials, n_sources, len(frequencies))
        coefficients = random.normal(size=shape) + 1j * random.normal(size=shape)
        drawn = np.fft.irfft(np.sqrt(power) * coefficients, n_samples)
        return drawn / drawn.std()

    sources = draw(N_CHANNELS, 1.0 / np.maximum(frequencies, 1.0))
    strength = 1.5 * np.exp(0.3 * random.normal(size=(n_trials, 2)))
    strength[np.arange(n_trials), labels] *= 0.4
    sources[:, :2] += strength[:, :, None] * draw(2, np.exp(-0.5 * ((frequencies - 11.0) / 1.5) ** 2))
    mixing = np.random.default_rng(0).normal(size=(N_CHANNELS, N_CHANNELS))
    drift = np.sin(2.0 * np.pi * (0.2 * np.arange(n_samples) / RATE + random.uniform(size=(n_trials, 1, 1))))
    return 1e-5 * (mixing @ sources + 3.0 * drift), labels


def as_data(trials: np.ndarray, labels: np.ndarray) -> BCIData:
    """Channels, shape (n_trials, n_channels, n_samples), as data."""
    about = BCIMetadata(
        RATE, "motor_imagery", "raw_filtered", N_CHANNELS, 2, chunk_size=CHUNK, temporal_aggregation="logvar"
    )
    return BCIData(trials.transpose(1, 2, 0), about, labels)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """A decoder of filtered channels, unmixed by linear filters."""
    raw, labels = record(1, 80)
    unmix = np.linalg.inv(np.random.default_rng(0).normal(size=(N_CHANNELS, N_CHANNELS)))
    filters = SpatialFilters(1e5 * unmix, [f"C{k}" for k in range(N_CHANNELS)])
    data = as_data(filters.transform(filter_all(raw)), labels)
    data = BCIData(data.features, replace(data.metadata, feature_type="csp"), labels)
    return Pipeline(filters, None, train_model(NimbusLDA, data))


def filter_all(raw: np.ndarray) -> np.ndarray:
    """Each trial filtered as a whole, without the time that the filter needs to begin."""
    return signal.sosfilt(BAND, raw, axis=-1)[..., 200:]


def stream(
    pipeline: Pipeline, trials: np.ndarray, change: Change = lambda chunk: chunk
) -> list[StreamingResult]:
    """The decisions on trials in chunks, each changed on its way."""
    session = init_streaming(pipeline, replace(pipeline.metadata, channel_names=None, chunk_size=CHUNK))
    results = []
    for trial in trials:
        for start in range(0, trial.shape[-1], CHUNK):
            process_chunk(session, change(trial[:, start : start + CHUNK]))
        results.append(finalize_trial(session))
    return results


def share_rejected(results: list[StreamingResult]) -> float:
    """Share of trials that are not to be acted on although the confidence is high enough."""
    return float(np.mean([is_rejected(result) for result in results]))


def is_rejected(result: StreamingResult) -> bool:
    """Whether a trial is rejected for another reason than its confidence."""
    return bool(assess_trial_quality(result, confidence_threshold=0.0).rejected[0])


def test_a_stream_like_the_training_has_no_problems(pipeline: Pipeline) -> None:
    """Clean trials are rarely outliers, and nothing is noticed over forty of them."""
    results = stream(pipeline, filter_all(record(2)[0]))
    assert share_rejected(results) <= 0.05
    assert results[-1].problems == ()


def turn_references(chunk: np.ndarray) -> np.ndarray:
    """Another reference: the first channel."""
    return chunk - chunk[:1]


@pytest.mark.parametrize(
    "change",
    [
        lambda chunk: 1e6 * chunk,
        lambda chunk: 2.0 * chunk,
        lambda chunk: 0.5 * chunk,
        turn_references,
        lambda chunk: chunk[::-1],
        lambda chunk: np.where(np.arange(N_CHANNELS)[:, None] == 2, 1e-9 * chunk, chunk),
    ],
    ids=["unit", "gain", "half the gain", "reference", "reversed", "loose electrode"],
)
def test_a_changed_recording_is_rejected(pipeline: Pipeline, change: Change) -> None:
    """Another unit, gain, reference or order of channels: trials are rejected, and the stream differs."""
    results = stream(pipeline, filter_all(record(2)[0][:20]), change)
    assert share_rejected(results) > 0.9
    assert "unlike those of the training" in results[-1].problems[0]
    assert "compare unit, gain, reference" in assess_trial_quality(results[-1]).recommendation


def test_a_burst_of_noise_is_rejected(pipeline: Pipeline) -> None:
    """In all channels or in one, in a single trial among clean ones, which stay accepted."""
    trials = filter_all(record(2)[0]).copy()
    noise = 5.0 * trials.std() * np.random.default_rng(1).normal(size=(N_CHANNELS, 100))
    trials[10, :, 100:200] += noise
    trials[20, 3, 100:200] += 4.0 * noise[3]
    results = stream(pipeline, trials)
    rejected = [is_rejected(result) for result in results]
    assert rejected[10]
    assert rejected[20]
    assert np.mean(rejected) <= 0.1


def test_an_unfiltered_stream_is_rejected(pipeline: Pipeline) -> None:
    """Slow waves that the training did not have."""
    assert share_rejected(stream(pipeline, record(2)[0][:20, :, 200:])) > 0.9


def test_a_filter_that_starts_anew_in_each_chunk_is_noticed(pipeline: Pipeline) -> None:
    """Chunks then begin with less power than they end with, which the result says with what to do."""

    def restart(chunk: np.ndarray) -> np.ndarray:
        return signal.sosfilt(BAND, chunk - chunk.mean(axis=-1, keepdims=True), axis=-1)

    results = stream(pipeline, record(2)[0][..., 200:], restart)
    assert any("as if a filter restarted in each" in text for text in results[-1].problems)
    assert assess_trial_quality(results[-1]).rejected[0]
    assert "pass the state of the filter on" in assess_trial_quality(results[-1]).recommendation
    assert "problem" in repr(results[-1])


def test_levels_that_are_too_small_are_noticed_over_several_trials() -> None:
    """Half the gain makes no trial an outlier where levels are around zero, but all of them too usual."""
    model = train_model(NimbusLDA, simulated("p300", n_trials=200, seed=1))
    trials = simulated("p300", n_trials=60, seed=2)
    for factor, has_problems in ((1.0, False), (0.5, True)):
        session = init_streaming(model, trials.metadata)
        for k in range(len(trials)):
            process_chunk(session, factor * trials.features[:, :, k])
            result = finalize_trial(session)
        assert bool(result.problems) == has_problems


N_WINDOWS, N_ELECTRODES = 6, 8


def record_windows(seed: int, n_trials: int, *, person: int) -> tuple[np.ndarray, np.ndarray]:
    """Evoked potentials and background in windows, shape (n_trials, n_electrodes, n_windows), and labels."""
    anatomy, random = np.random.default_rng(person), np.random.default_rng(seed)
    n_sources, labels = N_ELECTRODES + 4, random.permutation(np.arange(n_trials) % 2)
    apart = np.arange(N_ELECTRODES)[:, None] - np.linspace(-1.0, N_ELECTRODES, n_sources)
    mixing = np.exp(-0.5 * (apart / 1.5) ** 2) + 0.1 * anatomy.normal(size=apart.shape)
    in_time = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(range(N_WINDOWS), range(N_WINDOWS))))
    sources = random.normal(size=(n_trials, n_sources, N_WINDOWS)) @ in_time.T
    sources[:, 6, 2:5] += labels[:, None] * (1.0 + 0.3 * random.normal(size=(n_trials, 1)))
    return mixing @ sources + 0.4 * random.normal(size=(n_trials, N_ELECTRODES, N_WINDOWS)), labels


def stream_windows(model: NimbusLDA, windows: np.ndarray) -> list[tuple[str, ...]]:
    """The problems after each trial, each trial one chunk of one sample."""
    session = init_streaming(model, model.card.metadata)
    problems = []
    for trial in windows:
        process_chunk(session, trial.ravel())
        problems.append(finalize_trial(session).problems)
    return problems


def train_on_windows(person: int, n_trials: int = 200) -> NimbusLDA:
    """A model of one person's windows, which does not know their names."""
    windows, labels = record_windows(person, n_trials, person=person)
    about = BCIMetadata(1.0, "p300", "erp", N_ELECTRODES * N_WINDOWS, 2, temporal_aggregation="none")
    return train_model(NimbusLDA, BCIData(windows.reshape(n_trials, 1, -1).T, about, labels))


@pytest.mark.parametrize("n_people", [2, pytest.param(20, marks=pytest.mark.qualification)])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda windows: windows - windows.mean(axis=1, keepdims=True), "add up to zero"),
        (lambda windows: windows[:, ::-1], "fit the training better in reverse order"),
        (lambda windows: windows[:, ::-1, ::-1], "fit the training better in reverse order"),
    ],
    ids=["average reference", "reversed channels", "reversed features"],
)
def test_another_reference_or_order_shows_within_eighty_trials(
    change: Change, words: str, n_people: int
) -> None:
    """Also where no names of channels are known, and each trial alone looks as usual."""
    noticed = []
    for person in range(n_people):
        windows, _ = record_windows(1_000 + person, 80, person=person)
        noticed.append(words in "".join(stream_windows(train_on_windows(person), change(windows))[-1]))
    assert np.mean(noticed) >= 0.95


@pytest.mark.parametrize(
    ("n_people", "n_trials"), [(1, 60), pytest.param(60, 100, marks=pytest.mark.qualification)]
)
@pytest.mark.parametrize("n_known", [80, 200])
def test_streams_of_right_order_raise_no_alarm(n_people: int, n_trials: int, n_known: int) -> None:
    """None of sixty has problems, although the models know little."""
    alarms = []
    for person in range(n_people):
        windows, _ = record_windows(2_000 + person, n_trials, person=person)
        alarms.append(any(stream_windows(train_on_windows(person, n_known), windows)))
    assert not any(alarms)


@pytest.mark.parametrize("n_people", [2, pytest.param(40, marks=pytest.mark.qualification)])
def test_reversed_channels_of_few_filters_are_noticed(n_people: int) -> None:
    """Within eighty trials also where no trial is an outlier; the right order has no problems."""
    noticed = []
    for person in range(n_people):
        random, labels = np.random.default_rng(person), np.arange(160) % 2
        strength = np.exp(0.25 * random.normal(size=(160, N_CHANNELS)))
        strength[np.arange(160), labels] *= 2.0
        strength[:, -2:] *= 1.8
        trials = strength[:, :, None] * random.normal(size=(160, N_CHANNELS, 2 * CHUNK))
        filters = SpatialFilters(np.eye(2, N_CHANNELS), [f"C{k}" for k in range(N_CHANNELS)])
        about = replace(as_data(trials, labels).metadata, feature_type="csp", n_features=2)
        training = BCIData(filters.transform(trials[:80]).transpose(1, 2, 0), about, labels[:80])
        pipeline = Pipeline(filters, None, train_model(NimbusLDA, training))
        noticed.append(bool(stream(pipeline, trials[80:], lambda chunk: chunk[::-1])[-1].problems))
        assert stream(pipeline, trials[80:])[-1].problems == ()
    assert np.mean(noticed) >= 0.8


def test_training_with_an_average_reference_expects_it() -> None:
    """Features that always add up to zero are no sign where those of the training did, too."""
    windows, labels = record_windows(3, 120, person=3)
    windows -= windows.mean(axis=1, keepdims=True)
    about = BCIMetadata(1.0, "p300", "erp", N_ELECTRODES * N_WINDOWS, 2, temporal_aggregation="none")
    model = train_model(NimbusLDA, BCIData(windows[:80].reshape(80, 1, -1).T, about, labels[:80]))
    assert not any(stream_windows(model, windows[80:]))


def test_few_trials_and_short_chunks_are_no_sign() -> None:
    """One unusual trial, chunks of few samples and silence say nothing about a stream."""
    monitor = StreamMonitor()
    monitor.add_trial(100.0)
    for _ in range(50):
        monitor.add_signal(np.concatenate([np.zeros((2, 1)), np.ones((2, 5))], axis=1))
        monitor.add_signal(np.zeros((2, 40)))
    assert monitor.problems() == ()
