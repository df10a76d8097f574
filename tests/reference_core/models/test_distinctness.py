"""How far trials are from one without an effect."""

from __future__ import annotations

import numpy as np
import pytest
from nimbus_sdk_core import BCIMetadata, NimbusLDA, NimbusProbit, NimbusQDA
from nimbus_sdk_core.models.distinctness import describe_rest, measure_distinctness
from nimbus_sdk_core.stats.niw import NormalInverseWishart
from scipy.special import logsumexp
from scipy.stats import multivariate_t


def about(paradigm: str, feature_type: str = "bandpower") -> BCIMetadata:
    """Metadata of three features and three classes."""
    return BCIMetadata(100.0, paradigm, feature_type, n_features=3, n_classes=3, temporal_aggregation="none")


@pytest.mark.parametrize(
    ("metadata", "means"),
    [
        (about("ssvep"), [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
        (about("motor_imagery", "csp"), [[0.0, 0.0, 1.0], [5.0, 0.0, 3.0]]),
        (about("p300"), [[0.0, 0.0, 1.0], [5.0, 0.0, 3.0], [0.0, -1.0, 0.0]]),
        (about("ssvep", "raw_filtered"), [[0.0, 0.0, 1.0], [5.0, 0.0, 3.0], [0.0, -1.0, 0.0]]),
    ],
)
def test_without_an_effect_features_are_as_in_classes_that_do_not_change_them(
    metadata: BCIMetadata, means: list[list[float]]
) -> None:
    """The median of the class means, and the largest or smallest by what an effect does to powers."""
    beliefs = NormalInverseWishart(
        counts=np.array([2.0, 4.0, 6.0]),
        precision=np.array([3.0, 4.0, 8.0]),
        means=np.array([[5.0, 0.0, 3.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
        dof=np.array([5.0, 7.0, 9.0]),
        scatter=np.stack([np.eye(3), 2.0 * np.eye(3), 6.0 * np.eye(3)]),
    )
    rest = describe_rest(beliefs, metadata)
    assert rest.means.tolist() == means
    assert rest.precision.tolist() == [5.0] * len(means)
    assert rest.dof.tolist() == [7.0]
    np.testing.assert_array_equal(rest.scatter, 3.0 * np.eye(3)[None])


def test_distinctness_is_the_likelihood_ratio_to_a_trial_without_an_effect(
    random: np.random.Generator,
) -> None:
    """Of Student-t predictives, in bits: the classes by their priors, the kinds of rest in equal parts."""
    labels = np.arange(90) % 3
    trials = random.normal(size=(90, 3)) + 2.0 * np.eye(3)[labels]
    model, new = NimbusLDA().fit(trials, labels), random.normal(size=(20, 3))

    def log_densities(beliefs: NormalInverseWishart) -> np.ndarray:
        dof = beliefs.dof[0] - 2.0
        widths = (1.0 + 1.0 / beliefs.precision) / dof
        shapes = [width * beliefs.scatter[0] for width in widths]
        pairs = zip(beliefs.means, shapes, strict=True)
        return np.stack([multivariate_t(mean, shape, dof).logpdf(new) for mean, shape in pairs])

    of_classes = logsumexp(log_densities(model.posterior_) + np.log(model.priors_)[:, None], axis=0)
    rest = log_densities(describe_rest(model.posterior_, about("ssvep")))
    expected = (of_classes - logsumexp(rest - np.log(2.0), axis=0)) / np.log(2.0)
    np.testing.assert_allclose(measure_distinctness(model, new, about("ssvep")), expected, atol=1e-9)


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
def test_trials_of_a_class_are_more_distinct_than_trials_without_an_effect(
    random: np.random.Generator, kind: type[NimbusLDA] | type[NimbusQDA] | type[NimbusProbit]
) -> None:
    """Whatever the model, and bounded for trials that are far from everything."""
    labels = np.arange(150) % 3
    trials = random.normal(size=(150, 3)) + 6.0 * np.eye(3)[labels]
    model = kind().fit(trials, labels)
    real, rest, far = (
        measure_distinctness(model, each, about("ssvep"))
        for each in (6.0 * np.eye(3), np.zeros((1, 3)), np.full((1, 3), 1e8))
    )
    assert real.min() > rest[0] + 1.0
    assert np.isfinite(far).all()
