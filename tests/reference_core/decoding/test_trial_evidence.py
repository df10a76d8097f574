"""The evidence of the chunks of a trial, and decisions on it."""

import dataclasses

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    CoreDataError,
    NimbusLDA,
    assess_trial_quality,
    predict_batch,
    simulate,
    train_model,
)
from nimbus_sdk_core.decoding.confidence_calibration import measure_calibration
from nimbus_sdk_core.decoding.streaming import finalize_trial, init_streaming, process_chunk, should_stop
from nimbus_sdk_core.decoding.trial_evidence import TrialEvidence
from nimbus_sdk_core.models.tempering import Tempers
from nimbus_sdk_core.simulation import SimulatedParadigm

from tests.reference_core.support import simulated


def train(paradigm: str, n_trials: int, chunk_size: int | None, seed: int = 1) -> NimbusLDA:
    """A model of simulated trials that knows how chunks of that length count."""
    data = simulated(paradigm, n_trials=n_trials, seed=seed)
    about = dataclasses.replace(data.metadata, chunk_size=chunk_size)
    return train_model(NimbusLDA, BCIData(data.features, about, data.labels))


def stream(model: NimbusLDA, data: BCIData, chunk_size: int, n_chunks: int | None = None) -> list:
    """The decisions on all trials, from their first chunks."""
    session, decisions = init_streaming(model, data.metadata), []
    for trial in range(data.n_trials):
        for start in list(range(0, data.n_samples, chunk_size))[:n_chunks]:
            process_chunk(session, data.features[:, start : start + chunk_size, trial])
        decisions.append(finalize_trial(session))
    return decisions


def test_the_evidence_is_the_tempered_product_without_the_prior() -> None:
    """The prior counts once, chunks by their length, and the order does not matter."""
    priors, tempers = np.array([0.2, 0.3, 0.5]), Tempers(4, (0.8, 0.6), (1.0, 1.0))
    chunks = np.array([[0.1, 0.6, 0.3], [0.5, 0.3, 0.2]])
    evidence = TrialEvidence(tempers)
    np.testing.assert_array_equal(evidence.posterior(priors), priors)
    for chunk, length in zip(chunks, (4, 2), strict=True):
        evidence.add(np.log(chunk), length)
    product = priors * ((chunks[0] / priors) * (chunks[1] / priors) ** 0.5) ** 0.7
    np.testing.assert_allclose(evidence.posterior(priors), product / product.sum())
    evidence.reset()
    np.testing.assert_array_equal(evidence.posterior(priors), priors)


def test_an_excluded_class_stays_excluded() -> None:
    """A class with prior 0 keeps probability 0, whatever the chunks say."""
    priors = np.array([0.0, 0.5, 0.5])
    evidence = TrialEvidence(None)
    evidence.add(np.array([-1e300, np.log(0.9), np.log(0.1)]), 4)
    np.testing.assert_allclose(evidence.posterior(priors), [0.0, 0.9, 0.1])


def test_a_session_knows_the_posterior_so_far() -> None:
    """Before a chunk the class priors; then what the decision will be."""
    model = train("p300", 80, 4)
    data = simulated("p300", n_trials=3, seed=2)
    session = init_streaming(model, data.metadata)
    np.testing.assert_array_equal(session.posterior, model.priors_)
    process_chunk(session, data.features[:, :4, 0])
    process_chunk(session, data.features[:, 4:8, 0])
    expected = session.posterior
    result = finalize_trial(session)
    np.testing.assert_array_equal(result.posterior, expected)
    assert result.aggregation_method == "evidence"
    np.testing.assert_array_equal(session.posterior, model.priors_)


def test_chunks_of_a_whole_trial_are_worth_the_trial() -> None:
    """Without learned tempers the decision is nearly that on all samples, at any length of chunks."""
    data = simulated("motor_imagery", n_trials=200, seed=2)[:20]
    model = train("motor_imagery", 200, None)
    whole = predict_batch(model, data).posteriors
    for chunk_size in (4, 8, 16):
        found = np.stack([result.posterior for result in stream(model, data, chunk_size)])
        np.testing.assert_allclose(found, whole, atol=0.12)


@pytest.mark.parametrize(
    ("paradigm", "n_trials", "chunk_size", "n_new"),
    [
        ("motor_imagery", 200, 4, 200),
        ("ssvep", 120, 1, 60),
        *(
            pytest.param(*case, 4_000, marks=pytest.mark.qualification)
            for case in (
                ("motor_imagery", 200, 4),
                ("motor_imagery", 400, 1),
                ("p300", 400, 4),
                ("p300", 400, 2),
                ("ssvep", 120, 1),
                ("ssvep", 200, 2),
            )
        ),
    ],
)
def test_the_confidence_of_a_stream_is_a_probability(
    paradigm: str, n_trials: int, chunk_size: int, n_new: int
) -> None:
    """Its calibration error on new trials is at most 0.03 above that of a perfect decoder, at any time."""
    model = train(paradigm, n_trials, chunk_size)
    data = simulated(paradigm, n_trials=n_new, seed=2)
    for n_chunks in (None, 2):
        decisions = stream(model, data, chunk_size, n_chunks)
        confidences = np.array([result.confidence for result in decisions])
        is_right = np.array([result.prediction for result in decisions]) == data.labels
        found = measure_calibration(confidences, is_right)
        assert found.expected_error < (0.03 if n_chunks is None else 0.04) + found.perfect_error


def test_a_trial_ends_when_the_evidence_is_enough() -> None:
    """Dynamic stopping needs fewer chunks than whole trials for decisions that are as right as it says."""
    model = train("motor_imagery", 200, 2)
    data = simulated("motor_imagery", n_trials=200, seed=2)[:60]
    session, lengths, is_right = init_streaming(model, data.metadata), [], []
    for trial, label in enumerate(data.labels):
        for start in range(0, 16, 2):
            process_chunk(session, data.features[:, start : start + 2, trial])
            if should_stop(session, confidence=0.9, min_chunks=2):
                is_right.append(session.posterior.argmax() + 1 == label)
                break
        lengths.append(finalize_trial(session).n_chunks)
    assert np.mean(lengths) < 7.0
    assert min(lengths) == 2
    assert np.mean(is_right) > 0.87


def test_stopping_needs_sensible_arguments() -> None:
    """A confidence from 0 to 1 and a whole number of chunks."""
    session = init_streaming(train("p300", 60, 4), simulated("p300", n_trials=1, seed=1).metadata)
    assert not should_stop(session, confidence=0.0)
    with pytest.raises(CoreDataError, match="confidence is 2"):
        should_stop(session, confidence=2.0)
    with pytest.raises(CoreDataError, match="min_chunks is 0"):
        should_stop(session, min_chunks=0)


def streamed_shares(model: NimbusLDA, data: BCIData, chunk_size: int) -> float:
    """The share of trials that are taken for rest."""
    return float(np.mean([result.is_rest for result in stream(model, data, chunk_size)]))


@pytest.mark.parametrize(("paradigm", "n_classes", "effect"), [("ssvep", 4, 1.5), ("motor_imagery", 2, 1.6)])
def test_rest_is_separated_from_classes_that_are_far_from_it(
    paradigm: SimulatedParadigm, n_classes: int, effect: float
) -> None:
    """One real trial in twenty is taken for rest, and of trials without any effect at least four in five."""

    def draw(n_trials: int, seed: int, effect: float) -> BCIData:
        return simulate(paradigm, n_trials=n_trials, seed=seed, n_classes=n_classes, effect=effect)

    known = draw(200, 1, effect)
    about = dataclasses.replace(known.metadata, chunk_size=4)
    model = train_model(NimbusLDA, BCIData(known.features, about, known.labels))
    assert streamed_shares(model, draw(100, 2, effect), 4) < 0.13
    assert streamed_shares(model, draw(60, 3, 0.0), 4) > 0.8


def test_a_streamed_artefact_is_an_outlier_as_in_a_batch() -> None:
    """The samples of all chunks together have the outlier score of the trial, and quality rejects it."""
    model = train("motor_imagery", 200, None)
    data = simulated("motor_imagery", n_trials=200, seed=2)[:12]
    strange = data.features.copy()
    strange[3] += 30.0
    for features in (data.features, strange):
        batch = predict_batch(model, BCIData(features, data.metadata))
        found = stream(model, BCIData(features, data.metadata), 4)
        np.testing.assert_allclose([r.outlier_score for r in found], batch.outlier_scores, atol=1e-6)
    assert all(result.is_rest for result in found)
    assert assess_trial_quality(found[0]).rejected.all()


def test_a_chunk_has_entropy_outlier_score_and_length() -> None:
    """They are those of a batch of that one window."""
    model = train("motor_imagery", 200, None)
    data = simulated("motor_imagery", n_trials=200, seed=2)[:5]
    session = init_streaming(model, data.metadata)
    for trial in range(5):
        found = process_chunk(session, data.features[:, :4, trial])
        batch = predict_batch(model, BCIData(data.features[:, :4, trial : trial + 1], data.metadata))
        assert found.n_samples == 4
        assert found.entropy == pytest.approx(batch.entropy[0])
        assert found.outlier_score == pytest.approx(batch.outlier_scores[0], abs=1e-9)
