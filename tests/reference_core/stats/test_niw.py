"""The Normal-inverse-Wishart posterior."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA, NimbusQDA
from nimbus_sdk_core.stats.niw import PriorChoice, build_prior, estimate_variances, update_posterior
from nimbus_sdk_core.stats.sufficient_statistics import compute_moments

from tests.reference_core.support import unbalanced_trials


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_two_updates_equal_one_on_the_union(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """Under one prior, seeing A and then B is seeing A and B together: the posterior of a training too."""
    x, y = unbalanced_trials(random)
    shared = kind.n_covariances(3)
    both, first, second = (compute_moments(x[part], y[part], 3, shared) for part in np.s_[:, :40, 40:])
    prior = build_prior(both, PriorChoice(2.0, 0.01, np.diag(estimate_variances(both))))
    in_turn = update_posterior(update_posterior(prior, first), second)
    trained = kind(dof_offset=2, mean_prior_precision=0.01).fit(x, y).posterior_
    for name in ("counts", "precision", "means", "dof", "scatter"):
        np.testing.assert_allclose(getattr(in_turn, name), getattr(trained, name), rtol=1e-10, err_msg=name)
