"""Streaming: chunks are decoded one by one, with one decision at the end of a trial."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    ModelMismatchError,
    NimbusLDA,
    NimbusProbit,
    NotTrainedError,
    load_model,
    predict_batch,
    train_model,
)
from nimbus_sdk_core.checks.validation import check_model_compatibility, validate_chunk
from nimbus_sdk_core.decoding.paradigms import get_paradigm_defaults
from nimbus_sdk_core.decoding.streaming import StreamingSession, finalize_trial, init_streaming, process_chunk
from nimbus_sdk_core.decoding.trial_quality import assess_trial_quality, should_reject_trial
from nimbus_sdk_core.errors import CoreTypeError

from tests.reference_core.support import simulated, stream

METHODS = ("evidence", "weighted_vote", "max_confidence", "posterior_mean", "unanimous")


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen, of 16 samples."""
    return simulated("motor_imagery", n_trials=200, seed=2)


@pytest.fixture
def session(model: NimbusLDA, data: BCIData) -> StreamingSession:
    """A session with chunks of 4 samples."""
    return init_streaming(copy.copy(model), replace(data.metadata, chunk_size=4))


def test_a_chunk_is_decoded_as_a_batch_of_one_trial(session, model: NimbusLDA, data: BCIData) -> None:
    """Posterior, prediction and confidence are those that predict_batch gives for the same samples."""
    for trial in range(5):
        found = process_chunk(session, data.features[:, :4, trial])
        batch = predict_batch(model, BCIData(data.features[:, :4, trial : trial + 1], data.metadata))
        np.testing.assert_allclose(found.posterior, batch.posteriors[0], rtol=1e-12)
        assert found.prediction == batch.predictions[0]
        assert found.confidence == found.posterior.max()
        assert found.latency_ms > 0
    assert len(session.chunk_history) == 5
    assert session.chunk_history[-1] is found


@pytest.mark.parametrize("method", METHODS)
def test_whole_trials_are_decoded_better_than_their_chunks(session, data: BCIData, method: str) -> None:
    """Every method joins the chunks to decisions that are right more often than a chunk alone."""
    chunks, trials, confidences = [], [], []
    for trial, label in enumerate(data.labels[:100]):
        stream(session, data.features[:, :, trial])
        chunks += [chunk.prediction == label for chunk in session.chunk_history]
        result = finalize_trial(session, method=method, label=label)
        trials.append(result.prediction == label)
        confidences.append(result.confidence)
    assert np.mean(trials) > np.mean(chunks) + 0.03
    if method != "max_confidence":
        assert abs(np.mean(confidences) - np.mean(trials)) < 0.15


@pytest.mark.parametrize("method", METHODS)
def test_all_parts_of_a_decision_agree(session, data: BCIData, method: str) -> None:
    """Prediction and confidence follow from the posterior, which is one; the rest counts the chunks."""
    for trial in range(20):
        stream(session, data.features[:, :, trial])
        chunks = session.chunk_history
        result = finalize_trial(session, method=method)
        assert result.posterior.sum() == pytest.approx(1.0)
        assert result.prediction == result.classes[result.posterior.argmax()]
        assert result.confidence == result.posterior.max()
        above = result.posterior[result.posterior > 0]
        assert result.entropy == pytest.approx(-(above * np.log2(above)).sum())
        assert result.n_chunks == len(result.chunk_latencies_ms) == 4
        np.testing.assert_array_equal(result.chunk_posteriors, [chunk.posterior for chunk in chunks])
        assert result.latency_ms >= result.chunk_latencies_ms.sum()
        assert result.confidence_calibration is None


def windows(data: BCIData, n_samples: int) -> BCIData:
    """Each trial cut into windows of so many samples, which are labelled as it is."""
    starts = range(0, data.n_samples, n_samples)
    pieces = [data.features[:, start : start + n_samples] for start in starts]
    return BCIData(np.concatenate(pieces, axis=2), data.metadata, np.tile(data.labels, len(starts)))


@pytest.mark.parametrize("way", ["mean", "logvar"])
@pytest.mark.parametrize("kind", [NimbusLDA, NimbusProbit])
def test_chunks_are_calibrated_by_a_model_of_such_windows(kind: type[NimbusLDA], way: str) -> None:
    """A model of whole trials takes chunks for surer than they are, one of such windows does not."""
    random, labels = np.random.default_rng(0), np.arange(1_200) % 2 + 1
    features = random.normal(size=(2, 40, 1_200))
    features[0] *= np.where(labels == 1, 1.3, 1.0)
    features[0] += np.where(labels == 1, 0.15, 0.0)
    about = BCIMetadata(100.0, "motor_imagery", "csp", 2, 2, temporal_aggregation=way)
    data = BCIData(features, about, labels)
    training, new = data[:600], windows(data[600:], 5)
    for learned, least, most in ((training, 0.15, 0.6), (windows(training, 5), 0.0, 0.04)):
        result = predict_batch(train_model(kind, learned), new)
        assert least < result.confidence_calibration.expected_error < most
        assert least < result.confidences.mean() - result.accuracy + 0.04 < most + 0.04


def test_thresholds_belong_to_methods(session, data: BCIData) -> None:
    """What the page on decoding rejects is a small share; another method would reject half."""
    session.model = load_model(NimbusLDA, "motor_imagery_4class_v1")
    for method, threshold, most, right_at_most in (
        ("posterior_mean", 0.5, 0.16, 0.65),
        ("weighted_vote", 0.7, 0.55, 0.8),
    ):
        rejected = []
        for trial, label in enumerate(data.labels[:100]):
            stream(session, data.features[:, :, trial])
            decision = finalize_trial(session, method=method)
            if should_reject_trial(decision.confidence, threshold):
                rejected.append(decision.prediction == label)
        assert 0.5 * most < len(rejected) / 100 < most
        assert 0.6 * right_at_most < np.mean(rejected) < right_at_most


def test_the_sampling_rate_is_only_informational(model: NimbusLDA, data: BCIData) -> None:
    """As documented: a stream of another rate is decoded the same, without a warning."""
    chunk = data.features[:, :4, 0]
    found = [
        process_chunk(init_streaming(model, replace(data.metadata, sampling_rate=rate)), chunk).posterior
        for rate in (data.metadata.sampling_rate, 250.0)
    ]
    np.testing.assert_array_equal(*found)
    assert "informational" in init_streaming.__doc__


def test_a_finished_trial_leaves_an_empty_session(session, data: BCIData) -> None:
    """The next trial starts without the chunks before it, and reset() does the same in between."""
    stream(session, data.features[:, :, 0])
    first = finalize_trial(session)
    assert session.chunk_history == []
    process_chunk(session, data.features[:, :4, 1])
    session.reset()
    stream(session, data.features[:, :, 0])
    np.testing.assert_array_equal(finalize_trial(session).posterior, first.posterior)
    with pytest.raises(CoreDataError, match="This trial has no chunks yet"):
        finalize_trial(session)


def test_a_known_label_gives_the_calibration(session, data: BCIData) -> None:
    """One trial fills one bin, with its confidence and whether it was right."""
    stream(session, data.features[:, :, 0])
    result = finalize_trial(session, label=data.labels[0].item())
    found = result.confidence_calibration
    assert found.bin_counts.sum() == 1
    right = float(result.prediction == data.labels[0])
    assert found.expected_error == pytest.approx(abs(result.confidence - right))


def test_an_invalid_label_or_method_leaves_the_trial_unchanged(session, data: BCIData) -> None:
    """After a mistaken call the decision can still be made."""
    stream(session, data.features[:, :, 0])
    with pytest.raises(CoreDataError, match=r"labels hold \[9\]"):
        finalize_trial(session, label=9)
    with pytest.raises(CoreDataError, match=r"method is 'majority'. Use one of evidence"):
        finalize_trial(session, method="majority")
    assert finalize_trial(session).n_chunks == 4


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.float16])
def test_chunks_of_any_real_type_and_layout_are_accepted(session, dtype: type) -> None:
    """Integers, short floats, Fortran order, read-only and strided chunks give what float64 gives."""
    whole = np.arange(128).reshape(16, 8).astype(dtype)[:, ::2]
    expected = process_chunk(session, np.ascontiguousarray(whole, np.float64)).posterior
    for chunk in (whole, np.asfortranarray(whole), whole.tolist()):
        np.testing.assert_allclose(process_chunk(session, chunk).posterior, expected)
        assert validate_chunk(chunk, session.metadata)


def test_without_a_chunk_size_any_length_is_accepted(model: NimbusLDA, data: BCIData) -> None:
    """Chunks of different lengths, down to one sample."""
    session = init_streaming(model, data.metadata)
    for end in (1, 7, 16):
        process_chunk(session, data.features[:, :end, 0])
    assert finalize_trial(session).n_chunks == 3


def test_a_session_for_other_data_is_rejected(model: NimbusLDA, data: BCIData) -> None:
    """Data that the model would misread are rejected at the start, and can be checked before."""
    assert check_model_compatibility(model, data)
    assert check_model_compatibility(model, data.metadata)
    for change, error in (
        ({"n_features": 8}, CoreDataError),
        ({"n_classes": 2}, CoreDataError),
        ({"paradigm": "p300"}, ModelMismatchError),
        ({"temporal_aggregation": "logvar"}, ModelMismatchError),
    ):
        other = replace(data.metadata, **change)
        assert not check_model_compatibility(model, other)
        with pytest.raises(error, match=str(next(iter(change)))):
            init_streaming(model, other)
    with pytest.raises(NotTrainedError):
        init_streaming(NimbusLDA(), data.metadata)
    with pytest.raises(NotTrainedError):
        check_model_compatibility(NimbusLDA(), data)
    with pytest.raises(CoreDataError, match="metadata is a dict"):
        init_streaming(model, {})
    with pytest.raises(CoreDataError, match="data is a dict"):
        check_model_compatibility(model, {})


def test_iterations_are_accepted_and_ignored(session, data: BCIData) -> None:
    """As in predict_batch; a senseless number is refused."""
    chunk = data.features[:, :4, 0]
    assert process_chunk(session, chunk, iterations=1).confidence == process_chunk(session, chunk).confidence
    with pytest.raises(CoreDataError, match="iterations is 0"):
        process_chunk(session, chunk, iterations=0)


def test_models_with_text_and_boolean_labels_can_stream(data: BCIData) -> None:
    """A prediction is a plain Python label."""
    for names in (["left", "right"], [False, True]):
        labels = np.array(names)[(data.labels > 2).astype(int)]
        metadata = replace(data.metadata, n_classes=2)
        model = train_model(NimbusLDA, BCIData(data.features, metadata, labels))
        session = init_streaming(model, metadata)
        found = process_chunk(session, data.features[:, :, 0])
        assert type(found.prediction) is type(names[0])
        assert finalize_trial(session, label=names[0]).prediction in names


def test_arguments_of_the_wrong_kind_are_named(model: NimbusLDA, data: BCIData) -> None:
    """The message names the given type and the expected one."""
    chunk = data.features[:, :4, 0]
    for call, words in (
        (lambda: init_streaming(None, data.metadata), "model is a NoneType, not a model"),
        (lambda: init_streaming(NimbusLDA, data.metadata), "model is an ABCMeta, not a model"),
        (lambda: init_streaming(model, data), "metadata is a BCIData, not a BCIMetadata"),
        (lambda: process_chunk(None, chunk), "session is a NoneType, not a StreamingSession"),
        (lambda: process_chunk(model, chunk), "session is a NimbusLDA, not a StreamingSession"),
        (lambda: finalize_trial(None), "session is a NoneType, not a StreamingSession"),
        (lambda: validate_chunk(chunk, None), "metadata is a NoneType, not a BCIMetadata"),
        (lambda: check_model_compatibility(None, data), "model is a NoneType, not a model"),
        (lambda: check_model_compatibility(model, chunk), "data is an ndarray, not a BCIData"),
        (lambda: get_paradigm_defaults(["p300"]), "paradigm is a list, not a str"),
    ):
        with pytest.raises(CoreTypeError, match=words):
            call()


def test_a_chunk_of_one_sample_works_where_the_aggregation_allows_it() -> None:
    """As a column or as a vector; a variance needs two samples, which is said."""
    trials = simulated("p300", n_trials=60, seed=1)
    session = init_streaming(train_model(NimbusLDA, trials), trials.metadata)
    column = process_chunk(session, trials.features[:, :1, 0])
    vector = process_chunk(session, trials.features[:, 0, 0])
    np.testing.assert_array_equal(column.posterior, vector.posterior)
    assert (column.n_samples, vector.n_samples) == (1, 1)
    about = BCIMetadata(100.0, "own", "own", 8, 2, temporal_aggregation="logvar")
    powers = init_streaming(train_model(NimbusLDA, BCIData(trials.features, about, trials.labels)), about)
    for one in (trials.features[:, :1, 0], trials.features[:, 0, 0]):
        with pytest.raises(CoreDataError, match="must be 2 or longer, but it has 1"):
            process_chunk(powers, one)


def test_the_quality_of_a_chunk_counts_its_outlier_score() -> None:
    """Another unit is rejected in a single chunk, chunks shorter than the training's trials are not."""
    trials = simulated("motor_imagery", n_trials=60, seed=1)
    session = init_streaming(train_model(NimbusLDA, trials), trials.metadata)
    for factor, is_rejected in ((1.0, False), (1e6, True)):
        chunk = process_chunk(session, factor * trials.features[:, :4, 0])
        assert assess_trial_quality(chunk, confidence_threshold=0.0).rejected.tolist() == [is_rejected]
