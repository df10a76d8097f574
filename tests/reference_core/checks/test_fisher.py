"""Fisher scores."""

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError
from nimbus_sdk_core.checks.fisher import compute_fisher_score, rank_features_by_discriminability
from sklearn.feature_selection import f_classif

from tests.reference_core.support import simulated


def test_fisher_scores_order_features_as_analysis_of_variance_does(random: np.random.Generator) -> None:
    """They are scikit-learn's F values up to the degrees of freedom."""
    labels = random.integers(0, 3, 200)
    vectors = random.normal(size=(200, 6)) + np.outer(labels, [0, 1, 0.2, 3, 0, 0.5])
    expected = f_classif(vectors, labels)[0] * (3 - 1) / (200 - 3)
    np.testing.assert_allclose(compute_fisher_score(vectors, labels), expected)
    assert rank_features_by_discriminability(vectors, labels)[:3].tolist() == [3, 1, 5]


def test_fisher_scores_accept_trials() -> None:
    """Labelled data are reduced as their metadata say."""
    data = simulated("motor_imagery", n_trials=100, seed=1)
    expected = compute_fisher_score(data.features.mean(axis=1).T, data.labels)
    np.testing.assert_array_equal(compute_fisher_score(data), expected)
    assert rank_features_by_discriminability(data)[0] == expected.argmax()


def test_fisher_scores_of_constants_are_zero_or_infinite() -> None:
    """A constant scores 0; a feature that is constant within every class scores infinity."""
    vectors = [[7.1, 0.1, 1.0], [7.1, 0.1, 2.0], [7.1, 0.3, 1.5], [7.1, 0.3, 2.5]]
    scores = compute_fisher_score(vectors, ["a", "a", "b", "b"])
    assert scores[0] == 0.0
    assert scores[1] == np.inf
    assert 0 < scores[2] < 1
    assert rank_features_by_discriminability(vectors, ["a", "a", "b", "b"]).tolist() == [1, 2, 0]


def test_fisher_scores_need_labels_once() -> None:
    """Labels are needed exactly once."""
    data = simulated("p300", n_trials=10, seed=1)
    with pytest.raises(CoreDataError, match="no labels"):
        compute_fisher_score(BCIData(data.features, data.metadata))
    with pytest.raises(CoreDataError, match="no labels"):
        compute_fisher_score([[1.0], [2.0]])
    with pytest.raises(CoreDataError, match="beside a BCIData"):
        compute_fisher_score(data, data.labels)
    with pytest.raises(CoreDataError, match="1 class"):
        compute_fisher_score([[1.0], [2.0]], [1, 1])
