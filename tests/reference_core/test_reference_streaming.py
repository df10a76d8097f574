"""Streaming: chunks in, predictions out, one decision at the end of a trial."""

import copy
import pickle

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    ModelCard,
    ModelMismatchError,
    NimbusLDA,
    NimbusProbit,
    NotTrainedError,
    load_model,
    predict_batch,
    simulate,
    train_model,
)
from nimbus_sdk_core.checks.validation import check_model_compatibility, validate_chunk
from nimbus_sdk_core.decoding.paradigms import get_paradigm_defaults, temporal_weights
from nimbus_sdk_core.decoding.streaming import StreamingSession, finalize_trial, init_streaming, process_chunk
from nimbus_sdk_core.decoding.trial_quality import should_reject_trial
from nimbus_sdk_core.decoding.voting import aggregate_chunks
from nimbus_sdk_core.errors import CoreTypeError

METHODS = ("weighted_vote", "max_confidence", "posterior_mean", "unanimous")


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulate("motor_imagery", n_trials=400, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen, of 16 samples."""
    return simulate("motor_imagery", n_trials=200, seed=2)


@pytest.fixture
def session(model: NimbusLDA, data: BCIData) -> StreamingSession:
    """A session with chunks of 4 samples."""
    return init_streaming(copy.copy(model), changed(data.metadata, chunk_size=4))


def changed(metadata: BCIMetadata, **changes: object) -> BCIMetadata:
    """The same metadata but for some fields."""
    return BCIMetadata(**{name: getattr(metadata, name) for name in metadata.__slots__} | changes)


def stream(session: StreamingSession, trial: np.ndarray) -> None:
    """Process a trial chunk by chunk."""
    for start in range(0, trial.shape[1], 4):
        process_chunk(session, trial[:, start : start + 4])


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
    for trial, label in enumerate(data.labels):
        stream(session, data.features[:, :, trial])
        chunks += [chunk.prediction == label for chunk in session.chunk_history]
        result = finalize_trial(session, method=method, label=label)
        trials.append(result.prediction == label)
        confidences.append(result.confidence)
    assert np.mean(trials) > np.mean(chunks) + 0.03
    if method != "max_confidence":
        assert abs(np.mean(confidences) - np.mean(trials)) < 0.12


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
        ("posterior_mean", 0.5, 0.16, 0.6),
        ("weighted_vote", 0.7, 0.55, 0.8),
    ):
        rejected = []
        for trial, label in enumerate(data.labels):
            stream(session, data.features[:, :, trial])
            decision = finalize_trial(session, method=method)
            if should_reject_trial(decision.confidence, threshold):
                rejected.append(decision.prediction == label)
        assert 0.5 * most < len(rejected) / data.n_trials < most
        assert 0.6 * right_at_most < np.mean(rejected) < right_at_most


def test_the_sampling_rate_is_only_informational(model: NimbusLDA, data: BCIData) -> None:
    """As documented: a stream of another rate is decoded the same, without a warning."""
    chunk = data.features[:, :4, 0]
    found = [
        process_chunk(init_streaming(model, changed(data.metadata, sampling_rate=rate)), chunk).posterior
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


def test_late_chunks_count_more_where_the_brain_answers_late(session, data: BCIData) -> None:
    """Weights by paradigm change a motor-imagery decision, and only if they are asked for."""
    posteriors = []
    for weighting in (True, False):
        stream(session, data.features[:, :, 3])
        chunks = np.stack([chunk.posterior for chunk in session.chunk_history])
        found = finalize_trial(session, method="posterior_mean", temporal_weighting=weighting).posterior
        weights = temporal_weights("motor_imagery", 4) if weighting else np.ones(4)
        np.testing.assert_allclose(found, weights @ chunks / weights.sum())
        posteriors.append(found)
    assert not np.allclose(*posteriors)


def test_weights_over_a_trial_have_the_shape_of_the_answer() -> None:
    """Rising for imagery, a wave for evoked potentials, even elsewhere; never zero, never above one."""
    assert (np.diff(temporal_weights("motor_imagery", 8)) >= 0).all()
    wave = temporal_weights("p300", 5)
    assert wave.argmax() == 2
    np.testing.assert_allclose(wave, wave[::-1])
    assert temporal_weights("ssvep", 3).tolist() == temporal_weights("my_own", 3).tolist() == [1, 1, 1]
    for paradigm in ("motor_imagery", "p300", "erp", "ssvep"):
        for n_chunks in (1, 2, 50):
            weights = temporal_weights(paradigm, n_chunks)
            assert len(weights) == n_chunks
            assert ((weights > 0) & (weights <= 1)).all()


def test_unanimous_tells_when_it_fell_back(session, data: BCIData) -> None:
    """Chunks that disagree are decided by weighted vote, and the result says so."""
    methods = set()
    for trial in range(40):
        stream(session, data.features[:, :, trial])
        result = finalize_trial(session, method="unanimous")
        assert (result.aggregation_method == "unanimous") == (result.balance == 0.0)
        methods.add(result.aggregation_method)
    assert methods == {"unanimous", "weighted_vote"}


def test_a_known_label_tells_the_calibration(session, data: BCIData) -> None:
    """One trial fills one bin, with its confidence and whether it was right."""
    stream(session, data.features[:, :, 0])
    result = finalize_trial(session, label=data.labels[0].item())
    found = result.confidence_calibration
    assert found.bin_counts.sum() == 1
    right = float(result.prediction == data.labels[0])
    assert found.expected_error == pytest.approx(abs(result.confidence - right))


def test_a_label_or_method_that_cannot_be_leaves_the_trial_as_it_was(session, data: BCIData) -> None:
    """After a mistaken call the decision can still be made."""
    stream(session, data.features[:, :, 0])
    with pytest.raises(CoreDataError, match=r"labels hold \[9\]"):
        finalize_trial(session, label=9)
    with pytest.raises(CoreDataError, match=r"method is 'majority'. Use one of weighted_vote"):
        finalize_trial(session, method="majority")
    assert finalize_trial(session).n_chunks == 4


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (np.zeros((16, 5)), r"shape \(16, 5\), expected \(16, 4\): metadata.chunk_size is 4"),
        (np.zeros((4, 16)), r"shape \(4, 16\), expected \(16, 4\). .* Its transpose, chunk.T"),
        (np.zeros(16), r"shape \(16,\), expected \(16, 4\)"),
        (np.zeros((16, 4, 1)), r"shape \(16, 4, 1\)"),
        ([[1.0], [1.0, 2.0]], "ragged"),
        (np.full((16, 4), np.nan), "64 value"),
        (np.full((16, 4), "a"), "not real numbers"),
        (np.ma.masked_less(np.zeros((16, 4)), 1), "masked"),
    ],
)
def test_a_chunk_that_cannot_be_used_is_refused_and_not_counted(session, chunk: object, words: str) -> None:
    """The message tells expected and found shape, and the trial goes on without the chunk."""
    with pytest.raises(CoreDataError, match=words):
        process_chunk(session, chunk)
    with pytest.raises(CoreDataError, match=words):
        validate_chunk(chunk, session.metadata)
    assert session.chunk_history == []


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.float16])
def test_chunks_of_any_real_type_and_layout_are_read(session, dtype: type) -> None:
    """Integers, short floats, Fortran order, read-only and strided chunks give what float64 gives."""
    whole = np.arange(128).reshape(16, 8).astype(dtype)[:, ::2]
    expected = process_chunk(session, np.ascontiguousarray(whole, np.float64)).posterior
    for chunk in (whole, np.asfortranarray(whole), whole.tolist()):
        np.testing.assert_allclose(process_chunk(session, chunk).posterior, expected)
        assert validate_chunk(chunk, session.metadata)


def test_without_a_chunk_size_any_length_is_read(model: NimbusLDA, data: BCIData) -> None:
    """Chunks of different lengths, down to one sample."""
    session = init_streaming(model, data.metadata)
    for end in (1, 7, 16):
        process_chunk(session, data.features[:, :end, 0])
    assert finalize_trial(session).n_chunks == 3


def test_a_session_for_other_data_is_refused(model: NimbusLDA, data: BCIData) -> None:
    """What the model would misread is refused at the start, and can be asked for before."""
    assert check_model_compatibility(model, data)
    assert check_model_compatibility(model, data.metadata)
    for change, error in (
        ({"n_features": 8}, CoreDataError),
        ({"n_classes": 2}, CoreDataError),
        ({"paradigm": "p300"}, ModelMismatchError),
        ({"temporal_aggregation": "logvar"}, ModelMismatchError),
    ):
        other = changed(data.metadata, **change)
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


def test_iterations_are_taken_and_change_nothing(session, data: BCIData) -> None:
    """As in predict_batch; a senseless number is refused."""
    chunk = data.features[:, :4, 0]
    assert process_chunk(session, chunk, iterations=1).confidence == process_chunk(session, chunk).confidence
    with pytest.raises(CoreDataError, match="iterations is 0"):
        process_chunk(session, chunk, iterations=0)


def test_what_is_shown_is_escaped_and_names_simulated_models(session, data: BCIData) -> None:
    """Session, chunk and result have tables in which a model's name is text and no markup."""
    session.model.card = ModelCard("a <b> & c", data.metadata, details={"simulated": True})
    chunk = process_chunk(session, data.features[:, :4, 0])
    for shown in (session, chunk, finalize_trial(session)):
        html = shown._repr_html_()
        assert "a &lt;b&gt; &amp; c" in html
        assert "<b>" not in html
        assert "simulated data" in html
        assert "simulated data" in repr(shown)


def test_results_can_be_pickled(session, data: BCIData) -> None:
    """A decision survives the way to another process."""
    stream(session, data.features[:, :, 0])
    copied = pickle.loads(pickle.dumps(session))
    result = pickle.loads(pickle.dumps(finalize_trial(session)))
    np.testing.assert_array_equal(finalize_trial(copied).posterior, result.posterior)


def test_models_with_texts_and_truth_values_as_labels_stream_too(data: BCIData) -> None:
    """A prediction is a plain Python label."""
    for names in (["left", "right"], [False, True]):
        labels = np.array(names)[(data.labels > 2).astype(int)]
        metadata = changed(data.metadata, n_classes=2)
        model = train_model(NimbusLDA, BCIData(data.features, metadata, labels))
        session = init_streaming(model, metadata)
        found = process_chunk(session, data.features[:, :, 0])
        assert type(found.prediction) is type(names[0])
        assert finalize_trial(session, label=names[0]).prediction in names


def test_one_chunk_decides_as_itself() -> None:
    """Every method gives a single chunk's posterior back."""
    for method in METHODS:
        found = aggregate_chunks([2], [0.7], 3, posteriors=[[0.2, 0.7, 0.1]], method=method)
        assert (found.prediction, found.confidence) == (2, pytest.approx(0.7))


def test_votes_by_hand() -> None:
    """Confidences add up per class; the winner's share is drawn to chance by the mean confidence."""
    found = aggregate_chunks([1, 2, 2], [0.9, 0.6, 0.5], 2)
    mean = 2.0 / 3.0
    assert found.prediction == 2
    assert found.confidence == pytest.approx((2 * mean - 1) * 1.1 / 2.0 + (1 - (2 * mean - 1)) / 2)
    agreeing = aggregate_chunks([3, 3, 3], [0.9, 0.6, 0.6], 4)
    assert agreeing.confidence == pytest.approx(0.7)
    assert aggregate_chunks([1, 2], [0.8, 0.7], 2, weights=[0.5, 1.0]).prediction == 2
    assert aggregate_chunks([1, 2], [0.8, 0.7], 2, method="max_confidence").prediction == 1
    assert aggregate_chunks([0, 1], [0.8, 0.9], 2, classes=[0, 1]).prediction == 1
    assert aggregate_chunks(["b"], [0.8], 2, classes=["a", "b"]).posterior.tolist() == pytest.approx(
        [0.2, 0.8]
    )


@pytest.mark.parametrize(
    ("arguments", "named", "words"),
    [
        (([], [], 2), {}, "no chunks"),
        (([1], [0.5], 1), {}, "n_classes is 1"),
        (([0, 1], [0.5, 0.5], 2), {}, "count from 0"),
        (([1], [1.5], 2), {}, "confidences hold numbers"),
        (([1], [np.nan], 2), {}, "confidences hold numbers"),
        (([1], [0.5, 0.5], 2), {}, r"confidences have shape \(2,\), expected \(1,\)"),
        (([1], ["much"], 2), {}, "confidences are not all numbers"),
        (([1], [0.5], 2), {"posteriors": [[0.5, 0.25, 0.25]]}, r"posteriors have shape \(1, 3\)"),
        (([1], [0.5], 2), {"weights": [0.0]}, "All weights are 0"),
        (([1], [0.5], 2), {"weights": [-1.0]}, "weights hold numbers"),
        (([1], [0.5], 2), {"classes": [1, 2, 3]}, "classes holds 3 labels, n_classes is 2"),
        (([1], [0.5], 2), {"method": "mean"}, "method is 'mean'"),
    ],
)
def test_votes_that_make_no_sense_are_refused(arguments, named, words: str) -> None:
    """What is wrong is named."""
    with pytest.raises(CoreDataError, match=words):
        aggregate_chunks(*arguments, **named)


def test_chunks_without_any_confidence_decide_nothing() -> None:
    """All classes are as probable then."""
    assert aggregate_chunks([2, 1], [0.0, 0.0], 2).posterior.tolist() == [0.5, 0.5]


def test_usual_settings_are_told_for_known_paradigms() -> None:
    """Chunk sizes are those of the Nimbus documentation; an unknown paradigm is refused by name."""
    sizes = {name: get_paradigm_defaults(name).chunk_size for name in ("motor_imagery", "p300", "ssvep")}
    assert sizes == {"motor_imagery": 250, "p300": 200, "ssvep": 500}
    imagery = get_paradigm_defaults("motor_imagery")
    assert (imagery.confidence_threshold, imagery.aggregation_method) == (0.7, "weighted_vote")
    assert imagery.temporal_aggregation == "logvar"
    with pytest.raises(CoreDataError, match="for the paradigm 'telepathy'"):
        get_paradigm_defaults("telepathy")


@pytest.mark.parametrize("method", METHODS)
def test_chunks_that_are_certain_are_never_more_than_that(method: str) -> None:
    """Sums of weights round; a confidence stays a probability, so that it can be asked about."""
    labels = np.arange(400) % 2
    features = np.random.default_rng(1).normal(size=(8, 1, 400)) + 20.0 * labels
    trials = BCIData(features, BCIMetadata(250.0, "p300", "erp", 8, 2), labels)
    session = init_streaming(train_model(NimbusLDA, trials), trials.metadata)
    certain = features[:, :, 1]
    for n_chunks in range(1, 30):
        for _ in range(n_chunks):
            process_chunk(session, certain)
        result = finalize_trial(session, method=method)
        assert 0.999 < result.confidence <= 1.0
        assert result.posterior.min() >= 0.0
        assert result.posterior.sum() == pytest.approx(1.0)
        assert not should_reject_trial(result.confidence)
        votes = aggregate_chunks(
            np.ones(n_chunks, int), np.ones(n_chunks), 2, method=method, weights=np.linspace(0.1, 1, n_chunks)
        )
        assert votes.posterior.tolist() == [1.0, 0.0]


def test_masked_votes_are_refused() -> None:
    """What is masked would count."""
    with pytest.raises(CoreDataError, match="confidences are a masked array"):
        aggregate_chunks([1, 2], np.ma.array([0.5, 0.9], mask=[0, 1]), 2)


def test_arguments_of_the_wrong_kind_are_named(model: NimbusLDA, data: BCIData) -> None:
    """What was given, and what is wanted, in the core's own words."""
    chunk = data.features[:, :4, 0]
    for call, words in (
        (lambda: init_streaming(None, data.metadata), "model is a NoneType, not a model"),
        (lambda: init_streaming(NimbusLDA, data.metadata), "model is a ABCMeta, not a model"),
        (lambda: init_streaming(model, data), "metadata is a BCIData, not a BCIMetadata"),
        (lambda: process_chunk(None, chunk), "session is a NoneType, not a StreamingSession"),
        (lambda: process_chunk(model, chunk), "session is a NimbusLDA, not a StreamingSession"),
        (lambda: finalize_trial(None), "session is a NoneType, not a StreamingSession"),
        (lambda: validate_chunk(chunk, None), "metadata is a NoneType, not a BCIMetadata"),
        (lambda: check_model_compatibility(None, data), "model is a NoneType, not a model"),
        (lambda: check_model_compatibility(model, chunk), "data is a ndarray, not a BCIData"),
        (lambda: get_paradigm_defaults(["p300"]), "paradigm is a list, not a str"),
        (lambda: temporal_weights(["p300"], 3), "paradigm is a list, not a str"),
    ):
        with pytest.raises(CoreTypeError, match=words):
            call()
