"""The prior of class means that differ least where trials hardly vary."""

import numpy as np
import pytest
from nimbus_sdk_core import NimbusLDA
from nimbus_sdk_core.stats.mean_prior import choose_mean_prior, shrink_means
from nimbus_sdk_core.stats.niw import MeanPrior, NormalInverseWishart
from nimbus_sdk_core.stats.sufficient_statistics import Moments
from scipy.stats import multivariate_normal
from sklearn.metrics import log_loss

COUNTS = np.array([3.0, 8.0, 5.0])


def log_density(places: np.ndarray, variances: np.ndarray) -> float:
    """Of class means where trials have variance 1; the mean of all has a variance of a million."""
    return sum(
        multivariate_normal(cov=np.diag(variance + 1.0 / COUNTS) + 1e6).logpdf(column)
        for column, variance in zip(places.T, variances, strict=True)
    )


def moments_of(means: np.ndarray) -> Moments:
    """Statistics with these class means."""
    return Moments(COUNTS, means, np.zeros((1, means.shape[1], means.shape[1])))


def paired_trials(random: np.random.Generator, n: int, n_pairs: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Features in pairs of correlation 0.9, in any units; classes differ in what a pair has in common."""
    y = np.arange(n) % 3
    places = np.repeat(np.random.default_rng(7).normal(size=(3, n_pairs)), 2, axis=1)
    common = np.repeat(random.normal(size=(n, n_pairs)), 2, axis=1)
    own = random.normal(size=(n, 2 * n_pairs))
    return (0.95 * common + 0.31 * own + 0.7 * places[y]) * 10.0 ** np.arange(-6, 6), y


@pytest.mark.parametrize("steepness", [0.0, 1.0, 3.0])
def test_the_prior_with_the_larger_evidence_is_chosen(steepness: float, random: np.random.Generator) -> None:
    """The evidence is the density of the class means, with the mean of all and the means integrated out."""
    eigenvalues = np.array([0.02, 0.5, 1.0, 9.0])
    relative = eigenvalues / np.exp(np.log(eigenvalues).mean())
    for _ in range(10):
        places = random.normal(size=(3, 4)) * (relative**steepness + 0.3) ** 0.5
        found = choose_mean_prior(moments_of(places * eigenvalues**0.5 + 5.0), np.eye(4), eigenvalues)
        precisions = 2.0 ** np.arange(-6, 15)
        steep = [log_density(places, relative / precision) for precision in precisions]
        flat = [log_density(places, np.full(4, 1.0 / precision)) for precision in precisions]
        assert (found is not None) == (max(steep) > max(flat))
        if found is not None:
            np.testing.assert_allclose(found.variances, relative / precisions[int(np.argmax(steep))])
            np.testing.assert_allclose(found.axes, np.diag(eigenvalues**-0.5))


def test_means_are_their_expectations(random: np.random.Generator) -> None:
    """Class means are drawn towards a common mean, in each direction by its own variance."""
    axes, variances = np.linalg.qr(random.normal(size=(2, 2)))[0] * 3.0, np.array([0.2, 1e-9])
    means = random.normal(size=(3, 2)) + 100.0
    beliefs = NormalInverseWishart(COUNTS, COUNTS + 1.0, means, np.array([9.0]), np.eye(2)[None])
    found = shrink_means(beliefs, moments_of(means), MeanPrior(axes, variances)).means @ axes
    trust = 0.2 / (0.2 + 1.0 / COUNTS)
    common = (means @ axes).T @ trust / trust.sum()
    np.testing.assert_allclose(found[:, 0], common[0] + trust * ((means @ axes)[:, 0] - common[0]))
    np.testing.assert_allclose(found[:, 1], COUNTS @ (means @ axes)[:, 1] / 16.0, rtol=1e-9)


def test_a_class_without_trials_has_the_mean_of_all(random: np.random.Generator) -> None:
    """What nothing is known about is expected where the others are."""
    x, y = paired_trials(random, 60)
    model = NimbusLDA().partial_fit(x, y, classes=[0, 1, 2, 3])
    assert model.learned_.choice.mean_prior is not None
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1.0)
    means = model.posterior_.means
    assert (means[3] > means[:3].min(axis=0)).all()
    assert (means[3] < means[:3].max(axis=0)).all()


def test_pairs_of_features_are_decoded_better(random: np.random.Generator) -> None:
    """Where classes differ little between features of a pair, log loss is lower than with the usual prior."""
    lower = []
    for _ in range(5):
        (x, y), (new, truth) = paired_trials(random, 60), paired_trials(random, 1_000)
        model = NimbusLDA().fit(x, y)
        usual = NimbusLDA(mean_prior_precision=model.mean_prior_precision_).fit(x, y)
        assert usual.learned_.choice.mean_prior is None
        lower.append(log_loss(truth, usual.predict_proba(new)) - log_loss(truth, model.predict_proba(new)))
    assert np.mean(lower) > 0.02
