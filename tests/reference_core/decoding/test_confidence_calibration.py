"""Calibration of confidences."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA, predict_batch, train_model
from nimbus_sdk_core.decoding.confidence_calibration import measure_calibration

from tests.reference_core.support import simulated


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


def test_calibration_of_confidences_by_hand() -> None:
    """Gaps between confidence and accuracy, weighted by trials, over ten bins."""
    found = measure_calibration(
        np.array([0.55, 0.55, 0.95, 1.0, 0.95, 1.0]), np.array([True, False, True, True, True, False])
    )
    assert found.bin_counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 4]
    assert found.bin_accuracies[[5, 9]].tolist() == [0.5, 0.75]
    assert np.isnan(found.bin_confidences[0])
    assert found.expected_error == pytest.approx((2 * 0.05 + 4 * (0.975 - 0.75)) / 6)
    assert found.maximum_error == pytest.approx(0.225)


@pytest.mark.parametrize("n_trials", [20, 100])
def test_a_perfect_decoder_has_the_error_that_its_number_of_trials_leaves(n_trials: int) -> None:
    """Confidences that are exactly right have, over many repetitions, the mean error that is stated."""
    random = np.random.default_rng(1)
    confidences = random.uniform(0.5, 1.0, n_trials)
    repetitions = [
        measure_calibration(confidences, random.uniform(size=n_trials) < confidences) for _ in range(2_000)
    ]
    errors = [found.expected_error for found in repetitions]
    assert repetitions[0].perfect_error == pytest.approx(np.mean(errors), rel=0.06)
    assert measure_calibration(np.ones(9), np.ones(9, bool)).perfect_error == 0.0
    assert np.isnan(measure_calibration(np.empty(0), np.empty(0, bool)).perfect_error)


@pytest.mark.qualification
def test_confidences_agree_with_the_accuracy() -> None:
    """On data that follow the simulator, confidence and accuracy differ little."""
    model = train_model(NimbusLDA, simulated("motor_imagery", n_trials=800, seed=1))
    result = predict_batch(model, simulated("motor_imagery", n_trials=2000, seed=2))
    assert result.confidence_calibration.expected_error < 0.03
