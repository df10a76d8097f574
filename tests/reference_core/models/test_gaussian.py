"""NimbusLDA and NimbusQDA have the posteriors of the textbook, computed a second way with SciPy."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError, NimbusLDA, NimbusQDA, NotTrainedError
from scipy import stats
from scipy.special import logsumexp
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.reference_core.support import unbalanced_trials

GAUSSIAN = pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])


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
@pytest.mark.parametrize(("offset", "kappa0"), [(2, 0.01), (0, 0.1), (500, 20), (0.5, 0)])
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
    model = kind(dof_offset=2, mean_prior_precision=0.01).fit(x, y)
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_a_large_offset_loses_no_digits(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """Features a million standard deviations from zero give the same posteriors."""
    x, y = unbalanced_trials(random)
    x = np.round(x * 1024) / 1024
    near, far = kind().fit(x, y).predict_proba(x), kind().fit(x + 2.0**20, y).predict_proba(x + 2.0**20)
    np.testing.assert_allclose(far, near, rtol=0, atol=1e-9)


@GAUSSIAN
@pytest.mark.parametrize("steps", [[1] * 90, [20, 70], [89, 1], [2, 3, 85]])
def test_partial_fit_equals_fit_on_the_union(
    kind: type[NimbusLDA], steps: list[int], random: np.random.Generator
) -> None:
    """However the trials are cut into steps, from one trial up, the model is that of all of them at once."""
    x, y = unbalanced_trials(random)
    weights = random.uniform(0.5, 2.0, len(y))
    model = kind()
    for part in np.split(np.arange(len(y)), np.cumsum(steps)[:-1]):
        model.partial_fit(x[part], y[part], classes=[0, 1, 2], sample_weight=weights[part])
        assert np.isfinite(model.predict_proba(x)).all()
    whole = kind().fit(x, y, sample_weight=weights)
    np.testing.assert_allclose(model.predict_log_proba(x), whole.predict_log_proba(x), rtol=1e-9, atol=1e-10)


@GAUSSIAN
def test_a_weight_counts_as_that_many_trials(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """A trial of weight 3 is as if it were there three times, one of weight 0 as if it were not."""
    x, y = unbalanced_trials(random)
    weights = random.integers(0, 4, len(y))
    weighted = kind().fit(x, y, sample_weight=weights)
    repeated = kind().fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), atol=1e-11)
    np.testing.assert_array_equal(kind().fit(x, y, 1.0).predict_proba(x), kind().fit(x, y).predict_proba(x))


@GAUSSIAN
def test_weights_that_are_shares_count_as_their_effective_number(
    kind: type[NimbusLDA], random: np.random.Generator
) -> None:
    """Equal shares are as no weights; unequal ones count, together, as fewer trials, whatever their sum."""
    x, y = unbalanced_trials(random)
    found = kind().fit(x, y, np.full(90, 1.0 / 90.0)).predict_proba(x)
    np.testing.assert_allclose(found, kind().fit(x, y).predict_proba(x), atol=1e-11)
    shares = random.dirichlet(np.ones(90))
    effective = 1.0 / (shares @ shares)
    expected = kind().fit(x, y, effective * shares)
    assert effective < expected.posterior_.counts.sum() + 1e-9 < 90.0
    for total in (1e-200, 0.5, 1.0 + 1e-6, len(np.unique(y)) * (1.0 + 1e-15)):
        found = kind().fit(x, y, total * shares).predict_proba(x)
        np.testing.assert_allclose(found, expected.predict_proba(x), atol=1e-11)


@GAUSSIAN
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, 2.0], "sample_weight.shape == (2,), expected (90,)!"),
        (np.ones((90, 1)), "Sample weights must be 1D array or scalar"),
        ([-1.0] * 90, "negative or not finite"),
        ([np.nan] * 90, "negative or not finite"),
        ([0.0] * 90, "at least one non-zero"),
        (["a"] * 90, "not a number"),
    ],
)
def test_weights_are_checked(
    kind: type[NimbusLDA], weights: object, words: str, random: np.random.Generator
) -> None:
    """One number from 0 up for each trial, not all 0."""
    x, y = unbalanced_trials(random)
    with pytest.raises(CoreDataError, match=re.escape(words)):
        kind().fit(x, y, sample_weight=weights)  # type: ignore[arg-type]


@GAUSSIAN
def test_class_priors_are_used_as_given(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """They replace the frequencies in the posterior; one of 0 excludes its class."""
    x, y = unbalanced_trials(random)
    free = kind().fit(x, y)
    given = np.array([0.2, 0.3, 0.5])
    ratio = free.predict_proba(x) * given / free.priors_
    found = kind(priors=given).fit(x, y)
    np.testing.assert_allclose(found.predict_proba(x), ratio / ratio.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_array_equal(found.priors_, given)
    excluded = kind(priors=[0.0, 0.5, 0.5]).fit(x, y)
    assert (excluded.predict_proba(x)[:, 0] == 0.0).all()
    assert np.isfinite(excluded.predict_log_proba(x)).all()
    np.testing.assert_allclose(free.priors_, (np.bincount(y) + 1) / (len(y) + 3))


@GAUSSIAN
@pytest.mark.parametrize(
    ("priors", "words"),
    [
        ([0.5, 0.5], "Number of priors must match number of classes"),
        ([0.5, 0.6, 0.2], "The sum of the priors should be 1"),
        ([1.5, -0.5, 0.0], "Priors must be non-negative"),
        (["a", "b", "c"], "not a number"),
        ([np.nan, 0.5, 0.5], "Priors must be non-negative"),
    ],
)
def test_class_priors_are_checked(
    kind: type[NimbusLDA], priors: object, words: str, random: np.random.Generator
) -> None:
    """One number from 0 up for each class, 1 together."""
    with pytest.raises(CoreDataError, match=words):
        kind(priors=priors).fit(*unbalanced_trials(random))  # type: ignore[arg-type]


def test_coefficients_are_those_of_the_linear_discriminant(random: np.random.Generator) -> None:
    """Of many trials they give the decisions; shapes are scikit-learn's for two classes and more."""
    for n_classes in (2, 3):
        x, y = unbalanced_trials(random, 4_000, n_classes=n_classes)
        model, theirs = NimbusLDA().fit(x, y), LinearDiscriminantAnalysis().fit(x, y)
        assert model.coef_.shape == theirs.coef_.shape
        assert model.intercept_.shape == theirs.intercept_.shape
        ours = x @ model.coef_.T + model.intercept_
        linear = ours.argmax(axis=1) if n_classes > 2 else (ours[:, 0] > 0).astype(int)
        assert np.mean(linear == model.predict(x)) > 0.99
    with pytest.raises(NotTrainedError):
        NimbusLDA().coef_  # noqa: B018
    assert not hasattr(NimbusQDA().fit(x, y), "coef_")


@GAUSSIAN
def test_a_feature_that_tells_the_classes_apart_without_error_is_believed(
    kind: type[NimbusLDA], random: np.random.Generator
) -> None:
    """Constant within each class and different between them, it decides; the more trials agree, the surer."""
    y = np.arange(80) % 2
    x = np.column_stack([random.normal(size=80), 3e-5 * y])
    few, many = kind().fit(x[:4], y[:4]), kind().fit(x, y)
    fresh = np.array([[0.0, 0.0], [0.0, 3e-5]])
    assert few.predict_proba(fresh)[[0, 1], [0, 1]].min() > 0.5
    assert many.predict_proba(fresh)[[0, 1], [0, 1]].min() > 0.9999
    assert many.predict(x).tolist() == y.tolist()


@GAUSSIAN
def test_one_trial_of_a_class_is_enough(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """What a single trial does not determine comes from the prior; even one trial of each class trains."""
    x, y = unbalanced_trials(random)
    x, y = np.vstack([x[y < 2], [[30.0] * 5]]), np.append(y[y < 2], 2)
    assert np.isfinite(kind().fit(x, y).predict_proba(x)).all()
    pair = kind().fit([[0.0, 1.0], [1.0, 0.0]], ["a", "b"])
    assert pair.predict([[0.1, 0.9], [0.9, 0.1]]).tolist() == ["a", "b"]


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


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
@pytest.mark.parametrize("n_features", [1, 2])
def test_trials_that_count_for_less_than_one_together_leave_the_prior(
    kind: type[NimbusLDA], n_features: int, random: np.random.Generator
) -> None:
    """Such weights determine no covariance; probabilities are finite, and hardly differ from the priors."""
    y = np.arange(44) % 2
    x = random.normal(size=(44, n_features)) + y[:, None]
    model = kind().partial_fit(x, y, sample_weight=np.full(44, 5e-4))
    np.testing.assert_allclose(model.predict_proba(x), 0.5, atol=0.01)
