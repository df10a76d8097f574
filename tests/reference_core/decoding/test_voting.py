"""Aggregation of chunks into one decision."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, BCIMetadata, CoreDataError, NimbusLDA, train_model
from nimbus_sdk_core.decoding.streaming import StreamingSession, finalize_trial, init_streaming, process_chunk
from nimbus_sdk_core.decoding.trial_quality import should_reject_trial
from nimbus_sdk_core.decoding.voting import aggregate_chunks

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


def test_unanimous_reports_its_fallback(session, data: BCIData) -> None:
    """Chunks that disagree are decided by weighted vote, and the result says so."""
    methods = set()
    for trial in range(40):
        stream(session, data.features[:, :, trial])
        result = finalize_trial(session, method="unanimous")
        assert (result.aggregation_method == "unanimous") == (result.balance == 0.0)
        methods.add(result.aggregation_method)
    assert methods == {"unanimous", "weighted_vote"}


def test_one_chunk_decides_alone() -> None:
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
def test_invalid_votes_are_rejected(arguments, named, words: str) -> None:
    """What is wrong is named."""
    with pytest.raises(CoreDataError, match=words):
        aggregate_chunks(*arguments, **named)


def test_chunks_without_any_confidence_decide_nothing() -> None:
    """All classes are as probable then."""
    assert aggregate_chunks([2, 1], [0.0, 0.0], 2).posterior.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("method", METHODS)
def test_certain_chunks_have_a_confidence_of_at_most_one(method: str) -> None:
    """Sums of weights round; a confidence stays a probability."""
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


def test_masked_votes_are_rejected() -> None:
    """What is masked would count."""
    with pytest.raises(CoreDataError, match="confidences are a masked array"):
        aggregate_chunks([1, 2], np.ma.array([0.5, 0.9], mask=[0, 1]), 2)
