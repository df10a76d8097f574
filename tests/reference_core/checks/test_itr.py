"""The information transfer rate."""

import math

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError
from nimbus_sdk_core.checks.itr import calculate_ITR, calculate_itr
from scipy import stats


@pytest.mark.parametrize("n_classes", [2, 4, 36])
@pytest.mark.parametrize("accuracy", [0.51, 0.7, 0.999, 1.0])
def test_transfer_rate_is_the_mutual_information_of_a_symmetric_channel(
    accuracy: float, n_classes: int
) -> None:
    """Entropy of the answers less their entropy given the truth, computed from the joint distribution."""
    joint = np.full((n_classes, n_classes), (1 - accuracy) / (n_classes - 1) / n_classes)
    np.fill_diagonal(joint, accuracy / n_classes)
    bits = 2 * math.log2(n_classes) - stats.entropy(joint.ravel(), base=2)
    assert calculate_ITR(accuracy, n_classes, 3.0) == pytest.approx(20 * bits)


def test_transfer_rate_at_and_below_chance_is_zero() -> None:
    """The formula's second rise towards 0 % is not taken for information."""
    for accuracy in (0.0, 0.1, 0.25):
        assert calculate_ITR(accuracy, 4, 1.0) == 0.0
    assert calculate_ITR(0.1, 4, 1.0, clip_negative=True) == 0.0
    assert calculate_ITR(0.26, 4, 1.0) > 0.0
    assert calculate_itr is calculate_ITR


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1.2, 4, 4.0), "accuracy is 1.2. Give a number from 0 to 1"),
        ((85, 4, 4.0), "accuracy is 85.0"),
        ((math.nan, 4, 4.0), "accuracy is nan"),
        (("0.8", 4, 4.0), "accuracy is '0.8', not a number"),
        ((None, 4, 4.0), "accuracy is None"),
        ((0.8, 1, 4.0), "n_classes is 1"),
        ((0.8, 2.5, 4.0), "n_classes is 2.5"),
        ((0.8, 4, 0.0), "trial_duration is 0.0"),
        ((0.8, 4, math.inf), "trial_duration is inf"),
    ],
)
def test_transfer_rate_of_impossible_numbers_is_rejected(arguments: tuple, words: str) -> None:
    """The number that is wrong is named."""
    with pytest.raises(CoreDataError, match=words):
        calculate_ITR(*arguments)
