"""The weight of earlier trials, and the probability of new ones given them."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA, NimbusQDA
from nimbus_sdk_core.stats.niw import PriorChoice, build_prior, estimate_variances, update_posterior
from nimbus_sdk_core.stats.power_prior import WEIGHTS, choose_weight, log_predictive
from nimbus_sdk_core.stats.sufficient_statistics import compute_moments, scale_moments
from scipy import stats

from tests.reference_core.support import unbalanced_trials


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
@pytest.mark.parametrize("weight", [1.0, 0.1])
def test_the_probability_of_new_trials_is_the_product_of_predictives(
    kind: type[NimbusLDA], weight: float, random: np.random.Generator
) -> None:
    """Trial after trial, each under the Student-t of all before it, by SciPy."""
    x, y = unbalanced_trials(random)
    n_covariances = kind.n_covariances(3)
    base = compute_moments(x[:60], y[:60], 3, n_covariances)
    choice = PriorChoice(2.0, 0.3, np.diag(estimate_variances(base)))
    found = log_predictive(
        scale_moments(base, weight), compute_moments(x[60:], y[60:], 3, n_covariances), choice
    )
    scaled = scale_moments(base, weight)
    beliefs, expected = update_posterior(build_prior(scaled, choice), scaled), 0.0
    for row, label in zip(x[60:], y[60:], strict=True):
        c = 0 if kind is NimbusLDA else label
        dof = beliefs.dof[c] - 4
        shape = beliefs.scatter[c] * (beliefs.precision[label] + 1) / (beliefs.precision[label] * dof)
        expected += stats.multivariate_t(beliefs.means[label], shape, df=dof).logpdf(row)
        one = compute_moments(row[None], np.array([label]), 3, n_covariances)
        beliefs = update_posterior(beliefs, one)
    assert found == pytest.approx(expected, abs=1e-6)


def test_earlier_trials_count_as_far_as_they_are_like_new_ones(random: np.random.Generator) -> None:
    """Fully for trials of the same kind, hardly for those of shifted classes or another gain."""
    y = np.arange(200) % 2
    x = random.normal(size=(200, 6)) + y[:, None]
    base, same = compute_moments(x[:160], y[:160], 2, 1), compute_moments(x[160:], y[160:], 2, 1)
    choice = PriorChoice(20.0, 0.3, np.diag(estimate_variances(base)))
    assert choose_weight(base, same, choice) == 1.0
    for strange in (x[160:] + 3.0, 2.0 * x[160:], x[160:] * [-1, 1, -1, 1, -1, 1]):
        weight = choose_weight(base, compute_moments(strange, y[160:], 2, 1), choice)
        assert weight <= 0.25
        assert weight in WEIGHTS
