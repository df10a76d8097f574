"""The prior of NimbusProbit from its hyper-parameters."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError, NimbusProbit, predict_batch, train_model
from nimbus_sdk_core.models.probit_prior import ProbitHyper, build_probit_prior
from sklearn.metrics import log_loss

from tests.reference_core.support import overlapping_trials, simulated

AUTOMATIC = ProbitHyper(None, None, None, None)


@pytest.mark.parametrize("n_new", [200, pytest.param(1_000, marks=pytest.mark.qualification)])
def test_the_default_prior_is_better_than_weaker_ones(n_new: int) -> None:
    """On simulated EEG a prior ten times weaker has a clearly higher log loss."""
    data = simulated("motor_imagery", n_trials=200, seed=1)[:60]
    new = simulated("motor_imagery", n_trials=n_new, seed=2)
    losses = []
    for weight in (None, 0.3):
        model = train_model(NimbusProbit, data, iterations=150, W_beta=weight)
        losses.append(log_loss(new.labels, predict_batch(model, new).posteriors))
    assert losses[1] > 1.2 * losses[0]


def test_the_prior_is_the_requested_one() -> None:
    """Numbers, matrices and NimbusSDK.jl's spellings reach the prior; what is automatic favours no class."""
    prior = build_probit_prior(AUTOMATIC, n_features=2, n_classes=3)
    np.testing.assert_array_equal(prior.precision, np.diag([0.01, 3.0, 3.0]))
    np.testing.assert_allclose(prior.scatter / prior.dof, np.eye(2))
    assert (prior.dof, np.abs(prior.coefficients).max()) == (4.0, 0.0)
    matrix, mean = np.array([[2.0, 0.5], [0.5, 1.0]]), np.arange(6.0).reshape(3, 2)
    prior = build_probit_prior(ProbitHyper(mean, 7.0 * np.eye(3), 5, matrix), n_features=2, n_classes=3)
    np.testing.assert_array_equal(prior.coefficients, mean)
    np.testing.assert_array_equal(prior.precision, 7.0 * np.eye(3))
    np.testing.assert_allclose(np.linalg.inv(prior.scatter), matrix)
    data = simulated("p300", n_trials=60, seed=1)
    julia = train_model(NimbusProbit, data, N=2, ξβ=0.5, Wβ=10.0, W_df=20, W_scale=0.05)
    assert julia.hyper == {"N": 2, "xi_beta": 0.5, "W_beta": 10.0, "W_df": 20, "W_scale": 0.05}


def test_a_strong_prior_is_not_moved(random: np.random.Generator) -> None:
    """With a huge precision the coefficients stay at their prior mean."""
    x, y = overlapping_trials(random, 60, 2)
    model = NimbusProbit(xi_beta=0.25, W_beta=1e9 * np.eye(4)).fit(x, y)
    np.testing.assert_allclose(model.posterior_.regression.coefficients, 0.25, atol=1e-6)


@pytest.mark.parametrize(
    ("hyper", "words"),
    [
        ({"N": 0}, "N is 0. Give a whole number from 1"),
        ({"N": 1.5}, "N is 1.5, not a whole number"),
        ({"iterations": 0}, "iterations is 0"),
        ({"xi_beta": "0"}, "xi_beta is of type <U1"),
        ({"xi_beta": [[1.0], [2.0, 3.0]]}, "xi_beta is ragged"),
        ({"xi_beta": np.inf}, "xi_beta holds values that are not finite"),
        (
            {"xi_beta": np.zeros((2, 2))},
            "xi_beta is of type float64 and shape (2, 2). Give a number, an array",
        ),
        ({"W_beta": -1.0}, "W_beta is -1.0. Give a finite number above zero"),
        ({"W_beta": -np.eye(4)}, "W_beta is not positive definite"),
        ({"W_df": 0.5}, "W_df is 0.5. 3 classes need more than 1 degrees of freedom"),
        ({"W_df": "many"}, "W_df is 'many', not a number"),
        ({"W_scale": 0}, "W_scale is 0.0. Give a finite number above zero"),
        ({"W_scale": np.array([[1.0, 0.2], [0.1, 1.0]])}, "W_scale is not symmetric"),
        ({"W_scale": np.eye(3)}, "W_scale is of type float64 and shape (3, 3)"),
    ],
)
def test_hyper_parameters_are_checked(
    hyper: dict[str, object], words: str, random: np.random.Generator
) -> None:
    """What cannot be a prior is refused by name."""
    x, y = overlapping_trials(random, 30, 3)
    with pytest.raises(CoreDataError, match=re.escape(words)):
        NimbusProbit(**hyper).fit(x, y)  # type: ignore[arg-type]


def test_too_many_classes_are_rejected() -> None:
    """Regions of class scores cannot be integrated in too many dimensions."""
    with pytest.raises(CoreDataError, match="There are 33 classes; NimbusProbit takes at most 32"):
        NimbusProbit().fit(np.arange(66.0)[:, None], np.arange(66) % 33)
