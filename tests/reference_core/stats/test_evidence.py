"""The evidence of priors, computed a second way, and the search for its maximum."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA, NimbusQDA
from nimbus_sdk_core.stats.evidence import (
    OwnEvidence,
    SharedEvidence,
    choose_prior,
    log_multivariate_gamma,
)
from nimbus_sdk_core.stats.niw import estimate_variances
from nimbus_sdk_core.stats.sufficient_statistics import Moments, compute_moments
from scipy import stats
from scipy.special import logsumexp, multigammaln

from tests.reference_core.support import unbalanced_trials

OFFSETS = np.array([0.0, 0.5, 3.0, 40.0, 5_000.0])
PRECISIONS = np.array([1e-3, 0.3, 5.0, 1e4])


def shared_table(x: np.ndarray, y: np.ndarray, offsets: np.ndarray, precisions: np.ndarray) -> np.ndarray:
    """The log evidence of every pair."""
    moments = compute_moments(x, y, y.max() + 1, 1)
    evidence = SharedEvidence(moments, estimate_variances(moments), offsets, precisions)
    return evidence.at(np.arange(len(offsets)), np.arange(len(precisions)))


def test_the_evidence_is_the_integral_over_means_and_variance(random: np.random.Generator) -> None:
    """For one feature it equals a quadrature over the common mean and the variance, but for a constant."""
    y = np.array([0] * 6 + [1] * 3 + [2] * 4)
    x = (random.normal(size=len(y)) + np.array([0.0, 2.0, -1.0])[y])[:, None]
    counts = np.bincount(y)
    s2 = sum(((x[y == k] - x[y == k].mean()) ** 2).sum() for k in range(3)) / (len(y) - 3)
    variances = s2 * np.exp(np.linspace(-9.0, 9.0, 181))
    common = np.linspace(-200.0, 200.0, 801)
    expected = np.empty((3, 3))
    for i, offset in enumerate(OFFSETS[:3]):
        # An inverse-Wishart of one dimension; the means are uniform over the grid of the common mean.
        prior = stats.invgamma((1 + offset) / 2, scale=(1 + offset) * s2 / 2).logpdf(variances)
        for j, precision in enumerate(PRECISIONS[1:]):
            total = prior[:, None] + np.log(variances)[:, None] + np.zeros(len(common))
            for k in range(3):
                own, n = x[y == k, 0], counts[k]
                spread = ((own - own.mean()) ** 2).sum()
                around = precision * n / (precision + n) * (own.mean() - common) ** 2
                total -= 0.5 * (n * np.log(variances)[:, None] + np.log(1 + n / precision))
                total -= 0.5 * (spread + around) / variances[:, None]
            expected[i, j] = logsumexp(total)
    found = shared_table(x, y, OFFSETS[:3], PRECISIONS[1:])
    np.testing.assert_allclose(found - found[0, 0], expected - expected[0, 0], atol=1e-3)


@pytest.mark.parametrize(("n", "n_features", "n_classes"), [(90, 5, 3), (12, 20, 2), (60, 2, 6)])
def test_one_eigendecomposition_serves_all_priors(
    n: int, n_features: int, n_classes: int, random: np.random.Generator
) -> None:
    """The formula with determinants of whole matrices gives the same, with more features than trials too."""
    x, y = unbalanced_trials(random, n, n_features, n_classes)
    counts = np.bincount(y)
    means = np.array([x[y == k].mean(axis=0) for k in range(n_classes)])
    within = (x - means[y]).T @ (x - means[y])
    variances = np.diag(within) / (n - n_classes)
    expected = np.empty((len(OFFSETS), len(PRECISIONS)))
    for i, offset in enumerate(OFFSETS):
        for j, precision in enumerate(PRECISIONS):
            w = precision * counts / (precision + counts)
            away = means - w @ means / w.sum()
            scale, nu = (offset + 1) * np.diag(variances), n_features + offset
            whole = scale + within + (away.T * w) @ away
            expected[i, j] = (
                0.5 * n_features * (np.log(w).sum() - np.log(w.sum()))
                + 0.5 * nu * np.linalg.slogdet(scale)[1]
                - 0.5 * (nu + n - 1) * np.linalg.slogdet(whole)[1]
                + multigammaln((nu + n - 1) / 2, n_features)
                - multigammaln(nu / 2, n_features)
            )
    found = shared_table(x, y, OFFSETS, PRECISIONS)
    np.testing.assert_allclose(found - found[0, 0], expected - expected[0, 0], rtol=1e-9, atol=1e-7)


def own_table(moments: Moments, scales: np.ndarray, scale_dof: np.ndarray) -> np.ndarray:
    """The log evidence of each δ by determinants of whole matrices, one scale for each class."""
    n_features, expected = len(scales[0]), np.zeros(len(OFFSETS))
    for count, scatter, scale, known in zip(moments.counts, moments.scatters, scales, scale_dof, strict=True):
        for i, offset in enumerate(OFFSETS):
            weight = 1 / (1 / (offset + 1) + 1 / known)
            psi, nu, dof = weight * scale, n_features + weight - 1, count - 1
            expected[i] += (
                0.5 * nu * np.linalg.slogdet(psi)[1]
                - 0.5 * (nu + dof) * np.linalg.slogdet(psi + scatter)[1]
                + multigammaln((nu + dof) / 2, n_features)
                - multigammaln(nu / 2, n_features)
            )
    return expected


@pytest.mark.parametrize(
    ("n", "n_features", "weight"), [(90, 5, 2.5), (40, 12, 1.0), (40, 12, 0.0), (90, 1, 0.3)]
)
def test_covariances_of_their_own_have_the_evidence_of_the_restricted_likelihood(
    n: int, n_features: int, weight: float, random: np.random.Generator
) -> None:
    """It is the sum over the classes, about scales that all share or the pooled covariances of the others."""
    x, y = unbalanced_trials(random, n, n_features)
    moments = compute_moments(x, y, 3, 3)
    variances, total = estimate_variances(moments), moments.scatters.sum(axis=0)
    shared = SharedEvidence(moments, variances, OFFSETS, PRECISIONS)
    own = OwnEvidence(moments, shared, OFFSETS)
    found = [*own.about(np.array([np.ones(n_features), 0.1 * (shared.eigenvalues + weight)]))]
    found.append(own.about_others(weight))
    known, diagonal = np.full(3, np.inf), np.diag(variances)
    expected = [own_table(moments, np.array(3 * [diagonal]), known)]
    expected.append(own_table(moments, np.array(3 * [0.1 * (total + weight * diagonal)]), known))
    dof_of_others = moments.counts.sum() - 2 - moments.counts
    # The diagonal counts for one trial where the others are too few for a covariance.
    weights = np.where(dof_of_others > n_features, weight, max(weight, 1.0))
    known = dof_of_others + weights
    scales = (total - moments.scatters + weights[:, None, None] * diagonal) / known[:, None, None]
    expected.append(own_table(moments, scales, known))
    np.testing.assert_allclose(
        np.array(found) - found[0][0], np.array(expected) - expected[0][0], rtol=1e-9, atol=1e-7
    )


@pytest.mark.parametrize(
    ("n", "n_features", "n_classes", "mixed", "apart"),
    [(200, 16, 2, 0.0, 0.3), (200, 16, 4, 1.0, 1.0), (30, 40, 2, 0.5, 0.0), (60, 3, 5, 0.2, 3.0)],
)
def test_the_search_finds_the_maximum_of_the_grid(
    n: int, n_features: int, n_classes: int, mixed: float, apart: float, random: np.random.Generator
) -> None:
    """No other value of the grid makes the trials more probable."""
    y = np.arange(n) % n_classes
    mixing = np.eye(n_features) + mixed * random.normal(size=(n_features, n_features))
    x = (
        random.normal(size=(n, n_features)) + apart * random.normal(size=(n_classes, n_features))[y]
    ) @ mixing
    offsets, precisions = 2.0 ** (np.arange(81) / 4) - 1, 2.0 ** (np.arange(-20, 41) / 2)
    table = shared_table(x, y, offsets, precisions)
    choice = choose_prior(compute_moments(x, y, n_classes, 1))
    found = table[offsets == choice.dof_offset, precisions == choice.mean_prior_precision]
    assert found.tolist() == [table.max()]


def test_a_chosen_prior_knows_variances_from_the_trials_alone(random: np.random.Generator) -> None:
    """Its scale is the mean of variances given their estimates; with a given δ, it is the estimates."""
    x, y = unbalanced_trials(random)
    moments = compute_moments(x, y, 3, 1)
    estimated, dof = np.diag(estimate_variances(moments)), len(x) - 3
    np.testing.assert_allclose(choose_prior(moments).scale, dof / (dof - 2) * estimated)
    np.testing.assert_array_equal(choose_prior(moments, dof_offset=2.0).scale, estimated)


def test_the_prior_follows_the_trials(random: np.random.Generator) -> None:
    """It is strong where features are uncorrelated or classes alike, weak where they are not."""
    y = np.arange(300) % 2
    noise = random.normal(size=(300, 20))
    mixed = noise @ random.normal(size=(20, 20))
    alike, apart = NimbusLDA().fit(noise, y), NimbusLDA().fit(mixed + 50.0 * y[:, None], y)
    assert alike.dof_offset_ > 200 > 50 > apart.dof_offset_
    assert alike.mean_prior_precision_ > 30 > 0.1 > apart.mean_prior_precision_
    given = NimbusLDA(dof_offset=7, mean_prior_precision=0.5).fit(noise, y)
    assert (given.dof_offset_, given.mean_prior_precision_) == (7.0, 0.5)


def test_covariances_that_do_not_differ_are_those_of_the_pooled_model(random: np.random.Generator) -> None:
    """QDA decodes them as LDA does; where they do differ, it keeps them apart."""
    y, mixing = np.arange(600) % 2, np.eye(8) + 0.3 * random.normal(size=(8, 8))
    x = (random.normal(size=(600, 8)) + 0.5 * y[:, None]) @ mixing
    new = random.normal(size=(100, 8)) @ mixing
    shared, own = NimbusLDA().fit(x, y), NimbusQDA().fit(x, y)
    np.testing.assert_allclose(own.predict_proba(new), shared.predict_proba(new), atol=0.02)
    differing = NimbusQDA().fit(x * (1 + 2 * y[:, None]), y)
    assert differing.dof_offset_ < 50
    assert (differing.predict(4 * new) == 1).mean() > 0.9


@pytest.mark.parametrize("n_features", [1, 2, 3, 8, 33])
def test_the_multivariate_gamma_function_is_right_to_rounding(n_features: int) -> None:
    """It differs from SciPy's by one constant, from the fewest degrees of freedom to a million."""
    dof = n_features + np.array([[0.0, 0.3, 1.0, 2.5], [40.0, 777.0, 1e4, 1e6]])
    expected = multigammaln(dof / 2, n_features)
    found = log_multivariate_gamma(n_features, dof)
    np.testing.assert_allclose(found - found[0, 0], expected - expected[0, 0], rtol=1e-12, atol=1e-11)


def test_a_flat_prior_of_the_means_is_the_limit_of_weak_ones(random: np.random.Generator) -> None:
    """With mean_prior_precision=0 the evidence is a number and chooses the same covariance prior."""
    y = np.arange(60) % 3
    x = random.normal(size=(60, 8)) @ random.normal(size=(8, 8))
    flat, weak = (NimbusLDA(mean_prior_precision=precision).fit(x, y) for precision in (0.0, 1e-3))
    assert np.isfinite(shared_table(x, y, OFFSETS, np.array([0.0]))).all()
    assert flat.dof_offset_ == weak.dof_offset_ > 0.0
