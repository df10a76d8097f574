"""The variational posterior of NimbusProbit."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusProbit
from nimbus_sdk_core.models.probit_prior import ProbitHyper, build_probit_prior
from nimbus_sdk_core.models.probit_regression import LatentRegression, helmert_contrasts, score_differences
from nimbus_sdk_core.models.probit_state import standardize
from nimbus_sdk_core.stats.anderson import AndersonAcceleration
from scipy import special

from tests.reference_core.support import (
    draw_from_posterior,
    estimate_class_shares,
    overlapping_trials,
    separated_trials,
)

AUTOMATIC = ProbitHyper(None, None, None, None)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_contrasts_treat_classes_equally(n_classes: int) -> None:
    """Orthonormal, summing to zero, and every two classes equally far apart; leads say who wins."""
    scores = helmert_contrasts(n_classes)
    np.testing.assert_allclose(scores.T @ scores, np.eye(n_classes - 1), atol=1e-14)
    np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-14)
    latent = np.random.default_rng(3).normal(size=(n_classes - 1, 50))
    wins = (score_differences(scores) @ latent > 0).all(axis=1)
    np.testing.assert_array_equal(wins.argmax(axis=0), (scores @ latent).argmax(axis=0))
    assert (wins.sum(axis=0) == 1).all()


def draw_between(low: np.ndarray, high: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Standard normal numbers between bounds, by inversion, in the lower tail where it is more precise."""
    sign = np.where(low > 0, -1.0, 1.0)
    low, high = np.minimum(sign * low, sign * high), np.maximum(sign * low, sign * high)
    return sign * special.ndtri(random.uniform(special.ndtr(low), special.ndtr(high)))


def gibbs(
    prior: LatentRegression, inputs: np.ndarray, y: np.ndarray, n_draws: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws from the exact posterior: Albert and Chib's data augmentation, one latent number at a time."""
    random = np.random.default_rng(7)
    n_latent, rows = prior.coefficients.shape[1], inputs.T
    precision = prior.precision + rows.T @ rows
    covariance = np.linalg.inv(precision)
    latent, bounds = (
        0.5 * helmert_contrasts(n_latent + 1)[y],
        score_differences(helmert_contrasts(n_latent + 1))[y],
    )
    coefficients, noise = prior.coefficients, prior.scatter / prior.dof
    draws = []
    for _ in range(n_draws):
        centre, sharp = rows @ coefficients, np.linalg.inv(noise)
        for j in range(n_latent):
            others = np.delete(np.arange(n_latent), j)
            at = centre[:, j] - (latent[:, others] - centre[:, others]) @ sharp[j, others] / sharp[j, j]
            limits = -np.einsum("ijk,ik->ij", bounds[:, :, others], latent[:, others])
            with np.errstate(divide="ignore"):
                limits = limits / bounds[:, :, j]
            low = np.where(bounds[:, :, j] > 0, limits, -np.inf).max(axis=1)
            high = np.where(bounds[:, :, j] < 0, limits, np.inf).min(axis=1)
            spread = sharp[j, j] ** -0.5
            latent[:, j] = at + spread * draw_between((low - at) / spread, (high - at) / spread, random)
        mean = covariance @ (prior.precision @ prior.coefficients + rows.T @ latent)
        moved, away = mean - prior.coefficients, latent - rows @ mean
        scatter = prior.scatter + away.T @ away + moved.T @ prior.precision @ moved
        ((coefficients, noise),) = draw_from_posterior(
            LatentRegression(mean, precision, prior.dof + len(y), scatter), 1, int(random.integers(2**31))
        )
        draws.append((coefficients, noise))
    return draws[n_draws // 5 :]


@pytest.mark.parametrize(
    ("n_classes", "n_draws"), [(2, 500), pytest.param(3, 1_000, marks=pytest.mark.qualification)]
)
def test_the_variational_posterior_is_near_the_true_one(
    n_classes: int, n_draws: int, random: np.random.Generator
) -> None:
    """Predictions differ little from those of a Gibbs sampler, which has no approximation but chance."""
    x, y = overlapping_trials(random, 45, n_classes)
    model = NimbusProbit(iterations=200).fit(x, y)
    inputs = standardize(model.posterior_.centre, model.posterior_.scale, x)
    truth = gibbs(build_probit_prior(AUTOMATIC, 3, n_classes), inputs, y, n_draws)
    gap = np.abs(estimate_class_shares(truth, inputs, seed=3) - model.predict_proba(x))
    assert gap.mean() < 0.03
    assert gap.max() < 0.15


@pytest.mark.parametrize(
    ("n_features", "n_classes", "n_trials"),
    [(5, 3, 75), pytest.param(16, 4, 200, marks=pytest.mark.qualification)],
)
def test_learning_continues_until_nothing_moves(
    n_features: int, n_classes: int, n_trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It converges to the result of thousands of iterations without acceleration, and counts them."""
    x, y = separated_trials(n_features, n_classes, n_trials)
    model = NimbusProbit().fit(x, y)
    assert 10 < model.n_iter_ < 100
    assert NimbusProbit(iterations=model.n_iter_).fit(x, y).n_iter_ == model.n_iter_
    monkeypatch.setattr(AndersonAcceleration, "next", lambda self, reached, step, bound: reached)
    plain = NimbusProbit(iterations=3_000).fit(x, y)
    assert plain.n_iter_ > 300
    assert np.abs(plain.predict_proba(x) - model.predict_proba(x)).max() < 0.01


@pytest.mark.parametrize(
    ("n_classes", "n_draws"), [(2, 500), pytest.param(3, 1_000, marks=pytest.mark.qualification)]
)
def test_with_more_features_than_trials_the_posterior_is_the_true_one(n_classes: int, n_draws: int) -> None:
    """Predictions and their mean confidence are those of a Gibbs sampler, within its error."""
    random = np.random.default_rng(5)
    places = 0.3 * random.normal(size=(n_classes, 60))
    y, at = np.arange(24) % n_classes, np.arange(90) % n_classes
    x, new = random.normal(size=(24, 60)) + places[y], random.normal(size=(90, 60)) + places[at]
    model = NimbusProbit().fit(x, y)
    centre, scale = model.posterior_.centre, model.posterior_.scale
    truth = gibbs(build_probit_prior(AUTOMATIC, 60, n_classes), standardize(centre, scale, x), y, n_draws)
    expected = estimate_class_shares(truth, standardize(centre, scale, new), seed=3)
    found = model.predict_proba(new)
    assert np.abs(expected - found).mean() < 0.03
    assert abs(expected.max(axis=1).mean() - found.max(axis=1).mean()) < 0.02
