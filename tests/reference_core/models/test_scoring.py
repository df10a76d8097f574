"""Outlier scores."""

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, NimbusLDA, predict_batch, train_model
from scipy import stats

from tests.reference_core.support import simulated


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen."""
    return simulated("motor_imagery", n_trials=200, seed=2)


def test_outlier_scores_are_standard_scores_of_the_exact_tail(model: NimbusLDA, data: BCIData) -> None:
    """They match the F distribution of the squared distance, mapped to a normal."""
    result = predict_batch(model, data)
    dof = model.score_trials(data.features.mean(axis=1).T).dof[0]
    exact = stats.norm.isf(stats.f(16, dof).sf(result.mahalanobis_distances**2 / 16))
    np.testing.assert_allclose(result.outlier_scores, exact, atol=0.02)


def test_outliers_have_high_scores(model: NimbusLDA, data: BCIData) -> None:
    """A trial with an artefact is far from every class."""
    features = data.features.copy()
    features[:, :, 0] += 20.0 * (-1.0) ** np.arange(16)[:, None]
    result = predict_batch(model, BCIData(features, data.metadata))
    assert result.outlier_scores[0] > 6
    assert np.median(np.abs(result.outlier_scores)) < 1.5
