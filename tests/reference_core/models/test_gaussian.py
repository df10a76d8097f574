"""NimbusLDA and NimbusQDA have the posteriors of the textbook, computed a second way with SciPy."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA, NimbusQDA
from scipy import stats
from scipy.special import logsumexp

from tests.reference_core.support import unbalanced_trials


def by_the_book(
    x: np.ndarray, y: np.ndarray, new: np.ndarray, *, shared: bool, offset: float, kappa0: float
) -> np.ndarray:
    """Posterior probabilities by Murphy 4.6.3 and SciPy's Student-t, one loop at a time."""
    classes, n_features = np.unique(y), x.shape[1]
    within = sum(((x[y == k] - x[y == k].mean(0)) ** 2).sum(0) for k in classes) / (len(x) - len(classes))
    psi0, nu0, m0 = (offset + 1) * np.diag(within), n_features + offset, x.mean(0)
    psis, kappas, means, counts = [], [], [], []
    for k in classes:
        xk = x[y == k]
        n, mean = len(xk), xk.mean(0)
        spread = sum(np.outer(row - mean, row - mean) for row in xk)
        pull = kappa0 * n / (kappa0 + n) * np.outer(mean - m0, mean - m0)
        psis.append(spread + pull)
        kappas.append(kappa0 + n)
        means.append((kappa0 * m0 + n * mean) / (kappa0 + n))
        counts.append(n)
    joint = []
    for i in range(len(classes)):
        psi = psi0 + (sum(psis) if shared else psis[i])
        df = nu0 + (len(x) if shared else counts[i]) - n_features + 1
        shape = psi * (kappas[i] + 1) / (kappas[i] * df)
        prior = np.log((counts[i] + 1) / (len(x) + len(classes)))
        joint.append(prior + stats.multivariate_t(means[i], shape, df=df).logpdf(new))
    joint = np.array(joint).T  # type: ignore[assignment]
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))


@pytest.mark.parametrize(("kind", "shared"), [(NimbusLDA, True), (NimbusQDA, False)])
@pytest.mark.parametrize(("offset", "kappa0"), [(2, 0.01), (1, 0.1), (5, 0.001)])
def test_posteriors_equal_the_textbook_formula(
    kind: type[NimbusLDA], shared: bool, offset: float, kappa0: float, random: np.random.Generator
) -> None:
    """Prediction is the exact Student-t posterior predictive, to 1e-10."""
    x, y = unbalanced_trials(random)
    new = np.concatenate([unbalanced_trials(random)[0], 50 * random.normal(size=(20, 5))])
    model = kind(dof_offset=offset, mean_prior_precision=kappa0).fit(x, y)
    expected = by_the_book(x, y, new, shared=shared, offset=offset, kappa0=kappa0)
    np.testing.assert_allclose(model.predict_proba(new), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("kind", "shared"), [(NimbusLDA, True), (NimbusQDA, False)])
def test_fewer_trials_than_features_still_follow_the_formula(
    kind: type[NimbusLDA], shared: bool, random: np.random.Generator
) -> None:
    """The prior makes covariances proper if trials are scarce."""
    x, y = random.normal(size=(6, 12)), np.array([0, 0, 0, 1, 1, 1])
    expected = by_the_book(x, y, x, shared=shared, offset=2, kappa0=0.01)
    np.testing.assert_allclose(kind().fit(x, y).predict_proba(x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_a_large_offset_loses_no_digits(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """Features a million standard deviations from zero give the same posteriors."""
    x, y = unbalanced_trials(random)
    x = np.round(x * 1024) / 1024
    near, far = kind().fit(x, y).predict_proba(x), kind().fit(x + 2.0**20, y).predict_proba(x + 2.0**20)
    np.testing.assert_allclose(far, near, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_partial_fit_in_two_steps_equals_one(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """Going on learning is exact, classes may be absent from a step."""
    x, y = unbalanced_trials(random)
    more, labels = unbalanced_trials(random)
    order = np.argsort(labels, kind="stable")
    more, labels = more[order], labels[order]
    once = kind().fit(x, y).partial_fit(more, labels)
    twice = kind().fit(x, y).partial_fit(more[:20], labels[:20]).partial_fit(more[20:], labels[20:])
    np.testing.assert_allclose(twice.predict_proba(x), once.predict_proba(x), rtol=0, atol=1e-10)


def test_distances_are_mahalanobis_distances(random: np.random.Generator) -> None:
    """Squared distances are those under the scale matrix of each class's Student-t."""
    x, y = unbalanced_trials(random)
    model = NimbusQDA().fit(x, y)
    seen, scores = model.posterior_, model.score_trials(x)
    for k in range(3):
        dof = seen.dof[k] - 5 + 1
        scale = seen.scatter[k] * (seen.precision[k] + 1) / (seen.precision[k] * dof)
        away = x - seen.means[k]
        np.testing.assert_allclose(
            scores.squared_distances[:, k], (away @ np.linalg.inv(scale) * away).sum(1), rtol=1e-9
        )


def test_many_trials_recover_the_truth(random: np.random.Generator) -> None:
    """With much data the posterior sits on the means and the covariance that made it."""
    cov = np.array([[2.0, 0.6], [0.6, 1.0]])
    y = np.arange(40_000) % 2
    x = random.multivariate_normal([0, 0], cov, size=len(y)) + np.array([[1.0, -1.0], [3.0, 2.0]])[y]
    seen = NimbusLDA().fit(x, y).posterior_
    np.testing.assert_allclose(seen.means, [[1, -1], [3, 2]], atol=0.05)
    np.testing.assert_allclose(seen.scatter[0] / (seen.dof[0] - 3), cov, atol=0.05)
