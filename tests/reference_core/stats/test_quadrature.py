"""Quadrature rules."""

import numpy as np
import pytest
from nimbus_sdk_core.stats.orthant import truncated_moments
from nimbus_sdk_core.stats.quadrature import cube_rule

FINE = {"per_axis": (24, 8, 6), "lattice": 512}


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 7])
def test_rules_integrate_smooth_functions(n_axes: int) -> None:
    """The weights sum to one, the points are inside, and the product of sines is integrated."""
    rule = cube_rule(n_axes, **FINE)
    assert rule.weights.sum() == pytest.approx(1.0)
    assert all(point.min() > 0 and point.max() < 1 for point in rule.points)
    values = np.prod(np.broadcast_arrays(*[np.sin(np.pi * point) for point in rule.points]), axis=0)
    allowed = 1e-3 if n_axes <= 3 else 3e-3
    assert (rule.weights * values).sum() == pytest.approx((2 / np.pi) ** n_axes, abs=allowed)
    flat = rule.in_one_axis()
    assert (flat.weights == rule.weights.ravel()).all()
    assert (np.prod(np.sin(np.pi * np.stack(flat.points)), axis=0) == values.ravel()).all()


@pytest.mark.parametrize("n_axes", range(1, 10))
def test_coarse_rules_keep_the_length_of_a_vector(n_axes: int, random: np.random.Generator) -> None:
    """E[|e|²] is n_axes - (L⁻¹·mean)·E[e] exactly: learning would add up whatever is missed."""
    rule = cube_rule(n_axes - 1, per_axis=(12, 6, 4), lattice=128)
    lower = np.linalg.cholesky(np.cov(random.normal(size=(n_axes, 50))).reshape(n_axes, n_axes))
    for mean in (np.zeros((n_axes, 3)), random.normal(size=(n_axes, 3))):
        found = truncated_moments(mean, lower, rule)
        exact = 3 * n_axes - (np.linalg.solve(lower, mean) * found.means).sum()
        assert np.trace(found.squares) == pytest.approx(exact, rel=1e-12)
