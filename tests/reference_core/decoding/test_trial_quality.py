"""Quality of trials."""

import math

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    NimbusLDA,
    predict_batch,
    train_model,
)
from nimbus_sdk_core.decoding.trial_quality import assess_trial_quality, should_reject_trial

from tests.reference_core.support import simulated


def test_a_trial_is_rejected_below_the_threshold_only() -> None:
    """At the threshold it is accepted; numbers that are not probabilities are rejected."""
    assert should_reject_trial(0.69)
    assert not should_reject_trial(0.7)
    assert not should_reject_trial(np.float32(0.5), 0.4)
    for confidence, threshold in ((math.nan, 0.7), (0.5, 70), (-0.1, 0.7)):
        with pytest.raises(CoreDataError):
            should_reject_trial(confidence, threshold)


def test_quality_rises_with_the_separation_of_the_classes() -> None:
    """A strong effect is rated above a weak one, and the advice follows."""
    model = train_model(NimbusLDA, simulated("motor_imagery", n_trials=80, seed=1, n_classes=2))
    ratings = [
        assess_trial_quality(
            predict_batch(model, simulated("motor_imagery", n_trials=60, seed=2, n_classes=2, effect=effect))
        )
        for effect in (0.0, 0.5, 1.3)
    ]
    scores = [rating.overall_score for rating in ratings]
    assert scores == sorted(scores)
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert ratings[-1].confidence_acceptable


def test_quality_by_hand() -> None:
    """Score, threshold, rejected trials and advice from three posteriors."""
    found = assess_trial_quality([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    assert found.overall_score == pytest.approx((0.8 + 0.0 + 0.6) / 3)
    assert found.confidence_acceptable
    assert found.rejected.tolist() == [False, True, False]
    assert found.recommendation.startswith("Repeat the 33 % of trials below 0.7")
    assert "calibrate" in assess_trial_quality([0.5, 0.5]).recommendation
    assert assess_trial_quality([[0.9, 0.1]], confidence_threshold=0.95).rejected.tolist() == [True]
    assert assess_trial_quality([[0.9, 0.1]]).recommendation == "Act on these predictions."


def test_outliers_are_rejected_at_any_confidence() -> None:
    """Trials far from all that was learned count nothing, and many of them call for a look at the signal."""
    training = simulated("motor_imagery", n_trials=200, seed=1)[:120]
    model = train_model(NimbusLDA, training)
    far = BCIData(training.features[..., :40] + 30.0, training.metadata)
    found = assess_trial_quality(predict_batch(model, far))
    assert found.rejected.all()
    assert found.overall_score == 0.0
    assert "artefacts" in found.recommendation


@pytest.mark.parametrize("n_training", [60, 600])
@pytest.mark.parametrize("labelled", [True, False])
def test_noise_with_unequal_classes_is_nothing_to_act_on(n_training: int, labelled: bool) -> None:
    """Confidences that the class frequencies alone give are not above chance."""
    random = np.random.default_rng(n_training)
    about = BCIMetadata(1.0, "own", "own", 16, 2, temporal_aggregation="none")
    labels = (np.arange(n_training) % 6 == 0).astype(int)
    model = train_model(NimbusLDA, BCIData(random.normal(size=(16, 1, n_training)), about, labels))
    new = BCIData(random.normal(size=(16, 1, 300)), about, np.arange(300) % 6 // 5 if labelled else None)
    result = predict_batch(model, new)
    found = assess_trial_quality(result)
    assert result.confidences.mean() > 0.7
    assert found.overall_score < 0.35
    assert not found.confidence_acceptable
    assert not found.recommendation.startswith(("Act", "Repeat"))


def test_a_good_decoder_of_unequal_classes_is_acted_on() -> None:
    """Confidences well above the class frequencies are acceptable, also of the rare class."""
    random = np.random.default_rng(2)
    about = BCIMetadata(1.0, "own", "own", 4, 2, temporal_aggregation="none")
    labels = (np.arange(300) % 6 == 0).astype(int)
    data = BCIData((random.normal(size=(300, 4)) + 3.0 * labels[:, None]).T[:, None, :], about, labels)
    found = assess_trial_quality(predict_batch(train_model(NimbusLDA, data), data))
    assert found.recommendation == "Act on these predictions."


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ([[0.9, 0.3]], "not probabilities"),
        ([[1.1, -0.1]], "not probabilities"),
        ([0.9], r"shape \(1,\)"),
        ("high", "result is a str"),
        (np.empty((0, 4)), "no trials to assess"),
        (np.full((2, 2, 2), 0.5), r"shape \(2, 2, 2\)"),
    ],
)
def test_quality_needs_posteriors(result: object, words: str) -> None:
    """Only probabilities are rated."""
    with pytest.raises(CoreDataError, match=words):
        assess_trial_quality(result)
