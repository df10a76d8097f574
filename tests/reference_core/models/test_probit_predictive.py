"""The predictive of NimbusProbit is its integral."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusProbit
from nimbus_sdk_core.models.probit_state import standardize

from tests.reference_core.support import draw_from_posterior, estimate_class_shares, overlapping_trials


@pytest.mark.parametrize("n_draws", [4_000, pytest.param(20_000, marks=pytest.mark.qualification)])
@pytest.mark.parametrize(
    ("n_classes", "n_trials"),
    [(2, 12), (3, 60), *(pytest.param(k, n, marks=pytest.mark.qualification) for k, n in ((4, 60), (6, 90)))],
)
def test_prediction_is_the_integral_by_brute_force(
    n_classes: int, n_trials: int, n_draws: int, random: np.random.Generator
) -> None:
    """Probabilities sum to one and are those of draws of coefficients, noise and latent vectors."""
    x, y = overlapping_trials(random, n_trials, n_classes)
    new = np.concatenate([x[:12], x[:8] + 10.0 * (x[:8] - x.mean(axis=0))])
    model = NimbusProbit(W_df=n_classes + 3).fit(x, y)
    found = model.predict_proba(new)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-14)
    inputs = standardize(model.posterior_.centre, model.posterior_.scale, new)
    expected = estimate_class_shares(
        draw_from_posterior(model.posterior_.regression, n_draws, seed=1), inputs, seed=2
    )
    np.testing.assert_allclose(found, expected, atol=4.5 * 0.5 / n_draws**0.5)


def test_logarithms_of_probabilities(random: np.random.Generator) -> None:
    """They are those of the probabilities, and finite far from every trial."""
    x, y = overlapping_trials(random, 60, 3)
    model = NimbusProbit().fit(x, y)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x)), model.predict_proba(x), atol=1e-12)
    assert np.isfinite(model.predict_log_proba(1e6 * x)).all()
