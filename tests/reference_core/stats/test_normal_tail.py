"""Tails of the normal distribution, compared with SciPy."""

import numpy as np
from nimbus_sdk_core.stats.normal_tail import hazard, log_tail, look_up, tabulate, tail_point
from scipy import special

FAR = np.concatenate([np.linspace(-40.0, 40.0, 4_001), [1e3, 1e5, -1e5]])


def test_log_tail_and_hazard_are_accurate_at_every_distance() -> None:
    """Twelve digits from the middle to where the tail itself underflows."""
    expected = special.log_ndtr(-FAR)
    np.testing.assert_allclose(log_tail(FAR), expected, rtol=1e-12, atol=1e-12)
    density = np.exp(-0.5 * FAR**2 - 0.5 * np.log(2 * np.pi) - expected)
    near = np.abs(FAR) < 30
    np.testing.assert_allclose(hazard(FAR)[near], density[near], rtol=1e-11)
    np.testing.assert_allclose(hazard(np.array([1e5, 1e90])), [1e5, 1e90], rtol=1e-9)
    assert hazard(np.array([-1e5]))[0] == 0.0


def test_tables_accept_nan_and_infinity() -> None:
    """NaN stays NaN, and the ends of the line are no places outside of a table."""
    with np.errstate(all="ignore"):
        ends = np.array([np.nan, 1e200, -1e200])
        np.testing.assert_allclose(log_tail(ends), [np.nan, -np.inf, 0.0], atol=1e-12)
        np.testing.assert_allclose(hazard(ends), [np.nan, 1e200, 0.0])
        np.testing.assert_allclose(tail_point(np.array([np.nan, 2e100])), [np.nan, 2e50])


def test_a_table_interpolates_every_cell() -> None:
    """A smooth function over forty cells, from the first to the last."""
    places = np.linspace(0.0, 40.0, 1_001)[:-1]
    table = tabulate(lambda at: np.sin(0.1 * at), 40, degree=3)
    np.testing.assert_allclose(look_up(table, places.copy()), np.sin(0.1 * places), atol=5e-8)


def test_tail_points_invert_the_tail() -> None:
    """The inverse, from almost everything to almost nothing beyond."""
    depth = np.logspace(-12, 6, 2_000)
    np.testing.assert_allclose(-special.log_ndtr(-tail_point(depth)), depth, rtol=2e-7)


def test_single_precision_is_used_where_it_is_given() -> None:
    """Arrays of float32 stay such, and are right to their own rounding."""
    x = np.linspace(-8.0, 40.0, 2_001).astype(np.float32)
    found, expected = log_tail(x), special.log_ndtr(-x.astype(float))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    far = np.array([-1e30, -1e4, 1e4, 1e18, np.nan], np.float32)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(log_tail(far), [0.0, 0.0, -5.000001e7, -5e35, np.nan], rtol=1e-6)
    depth = np.logspace(-6, 3, 2_000).astype(np.float32)
    np.testing.assert_allclose(-special.log_ndtr(-tail_point(depth).astype(float)), depth, rtol=2e-4)
