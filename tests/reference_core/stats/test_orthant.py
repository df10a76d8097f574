"""Orthant probabilities and truncated moments, compared with SciPy and with samples."""

import numpy as np
import pytest
from nimbus_sdk_core.stats.orthant import (
    log_probability,
    log_student_probability,
    make_cone,
    truncated_moments,
)
from nimbus_sdk_core.stats.quadrature import cube_rule, student_scale_rule
from scipy import integrate, special, stats

FINE = {"per_axis": (24, 8, 6), "lattice": 512}


def correlated(random: np.random.Generator, n_axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Thirty means and a covariance."""
    mixing = random.normal(size=(n_axes, n_axes))
    return 1.5 * random.normal(size=(n_axes, 30)), 0.5 * np.eye(n_axes) + 0.3 * mixing @ mixing.T


@pytest.mark.parametrize(
    ("n_axes", "accuracy"),
    [
        (1, 1e-13),
        (2, 1e-6),
        (3, 1e-4),
        *(pytest.param(n, most, marks=pytest.mark.qualification) for n, most in ((4, 1e-4), (6, 1e-3))),
    ],
)
def test_orthant_probabilities_are_those_of_scipy(
    n_axes: int, accuracy: float, random: np.random.Generator
) -> None:
    """Exact in one dimension, to the accuracy of the rule in more."""
    mean, covariance = correlated(random, n_axes)
    within = make_cone(np.linalg.cholesky(covariance)[..., None])
    found = np.exp(log_probability(mean, within, cube_rule(n_axes - 1, **FINE)))
    normal = stats.multivariate_normal(np.zeros(n_axes), covariance, seed=1)
    np.testing.assert_allclose(found, [normal.cdf(column) for column in mean.T], atol=accuracy)


@pytest.mark.parametrize(
    ("dof", "accuracy"), [(1.5, 0.015), (7.0, 5e-5), (15.0, 4e-4), (60.0, 6e-4), (400.0, 2e-5)]
)
def test_one_dimensional_student_orthants_follow_their_power_law(dof: float, accuracy: float) -> None:
    """The mixture over scales is SciPy's Student-t in its logarithm too, also a thousand deviations out."""
    mean = np.concatenate([np.linspace(-12.0, 6.0, 41), [-30.0, -100.0, -1e3]])[None, :]
    found = log_student_probability(
        mean, make_cone(np.ones((1, 1, 1))), cube_rule(0, **FINE), student_scale_rule(dof)
    )
    near = mean[0] > -3.0
    np.testing.assert_allclose(found[near], stats.t(dof).logcdf(mean[0, near]), atol=accuracy)
    np.testing.assert_allclose(found[~near], log_student_tail(mean[0, ~near], dof), atol=accuracy)


def log_student_tail(x: np.ndarray, dof: float) -> np.ndarray:
    """By the incomplete beta function, of which the power is taken by its logarithm."""
    at, a = dof / (dof + x * x), dof / 2.0
    series = special.hyp2f1(a + 0.5, 1.0, a + 1.0, at)
    power = a * np.log(at) + 0.5 * np.log1p(-at)
    return power + np.log(series) - np.log(dof) - special.betaln(a, 0.5)


def planar_student(mean: np.ndarray, lower: np.ndarray, dof: float) -> float:
    """Log probability that neither entry of a bivariate Student-t is negative, by SciPy's quadrature."""

    def orthant(g: float) -> float:
        start = -g * mean[0] / lower[0, 0]
        e = np.linspace(start, max(start + 12.0, 12.0), 4_001)
        density = np.exp(-0.5 * e * e) / np.sqrt(2.0 * np.pi)
        share = integrate.simpson(density * special.ndtr((g * mean[1] + lower[1, 0] * e) / lower[1, 1]), x=e)
        return float(np.log(max(share, 1e-320)))

    scale = stats.gamma(dof / 2, scale=2 / dof)
    logs = np.linspace(-6.0, 1.5, 251)
    values = np.array([scale.logpdf(np.exp(u)) + u + orthant(np.exp(u / 2)) for u in logs])
    return float(special.logsumexp(values) + np.log(logs[1] - logs[0]))


@pytest.mark.parametrize(
    ("dof", "mean"),
    [
        (7.0, (-8.0, -2.0)),
        (400.0, (-5.0, -5.0)),
        *(
            pytest.param(dof, mean, marks=pytest.mark.qualification)
            for dof in (7.0, 60.0, 400.0)
            for mean in ((-1.0, 0.5), (-5.0, -5.0), (-8.0, -2.0))
            if (dof, mean) not in ((7.0, (-8.0, -2.0)), (400.0, (-5.0, -5.0)))
        ),
    ],
)
def test_student_orthants_are_accurate_far_beyond_five_deviations(
    dof: float, mean: tuple[float, float]
) -> None:
    """Two scores ahead, at most as unlikely as exp(-45): to a hundredth in the logarithm."""
    covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    lower = np.linalg.cholesky(covariance)
    found = log_student_probability(
        np.array(mean)[:, None], make_cone(lower[..., None]), cube_rule(1, **FINE), student_scale_rule(dof)
    )
    assert found[0] == pytest.approx(planar_student(np.array(mean), lower, dof), abs=0.01)


@pytest.mark.parametrize("n_axes", [1, 2, 3, 5])
def test_truncated_moments_are_those_of_samples(n_axes: int, random: np.random.Generator) -> None:
    """Mean and mean square of what is left of many samples."""
    mean, covariance = correlated(random, n_axes)
    mean, lower = np.abs(mean[:, :1]), np.linalg.cholesky(covariance)
    samples = random.normal(size=(n_axes, 200_000))
    inside = samples[:, (mean + lower @ samples >= 0).all(axis=0)]
    found = truncated_moments(mean, lower, cube_rule(n_axes - 1, **FINE))
    np.testing.assert_allclose(found.means[:, 0], inside.mean(axis=1), atol=0.02)
    np.testing.assert_allclose(found.squares, inside @ inside.T / inside.shape[1], atol=0.04)


def test_very_improbable_trials_have_finite_moments() -> None:
    """A label a thousand deviations from its class pulls, and breaks nothing."""
    mean = np.array([[-1e3], [-1e3]])
    found = truncated_moments(mean, np.eye(2), cube_rule(1, **FINE))
    np.testing.assert_allclose(found.means, 1e3, rtol=1e-4)
    assert np.isfinite(log_probability(mean, make_cone(np.eye(2)[..., None]), cube_rule(1, **FINE))).all()
