"""The upper tail Q(x) = P(Z > x) of the standard normal distribution, for whole arrays.

Smooth functions are tabulated that neither underflow nor cancel: log Q(x) without x²/2 and without the slow
decay of Mills' ratio, and the ratio of the inverse to the square root of the logarithm. The tables come from
the error function near the middle and from P. S. Laplace's continued fraction beyond (Abramowitz & Stegun,
Handbook of Mathematical Functions, 26.2.14).

Arrays of float64 are interpolated by cubics. For float32 lines over more cells are as precise as the numbers,
and take a third of the time. They interpolate log Q(x) / (|x| + 3)², which is smooth enough for their seven
digits and takes fewer steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np

from .._types import FloatArray

_BEND = 3.0
_ROOT_2 = math.sqrt(2.0)
_LOG_ROOT_2_PI = 0.5 * math.log(2.0 * math.pi)

# The inverse is tabulated over the logarithm of the depth, from 1e-13 to where x²/2 dominates the tail;
# beyond, the last cell holds.
_LEAST, _RANGE = -30.0, 70.0


@dataclass(frozen=True, slots=True, eq=False)
class _TailTable:
    """Of a function of the tail for one type of numbers, with the constants that go with it.

    It covers all numbers: x / (|x| + 3) is scaled to just less than its length. The constants are arrays:
    NumPy reads them in two thirds of the time that a Python number takes.
    """

    table: FloatArray
    half: FloatArray
    bend: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _InverseTable:
    """Of `tail_point` for one type of numbers, likewise."""

    table: FloatArray
    least: FloatArray
    per_unit: FloatArray


def log_tail(x: FloatArray) -> FloatArray:
    """Natural logarithm of Q(x); right to 12 digits however far out, and to 1e-12 where it is nearly 0.

    Examples:
        >>> log_tail(np.array([0.0, 1.96, 4.0])).round(4)
        array([ -0.6931,  -3.689 , -10.3601])
    """
    if x.dtype == np.float32:
        return _log_tail_in_single_precision(x)
    above = np.maximum(x, 0.0)
    log_q = _smooth_part(x)
    log_q -= np.log(above + _BEND)
    above *= above
    above *= 0.5
    log_q -= above
    return log_q


def _log_tail_in_single_precision(x: FloatArray) -> FloatArray:
    known = _single_tail_table()
    lengths = np.abs(x)
    lengths += known.bend
    cells = x / lengths
    cells *= known.half
    cells += known.half
    log_q = look_up(known.table, cells)
    # Twice, as the square of a length may exceed the range where the logarithm is 0.
    log_q *= lengths
    log_q *= lengths
    return log_q


def hazard(x: FloatArray) -> FloatArray:
    """Density over tail, φ(x) / Q(x): the mean of a standard normal that is known to exceed x.

    Examples:
        >>> hazard(np.array([-40.0, 0.0, 40.0])).round(4)
        array([ 0.    ,  0.7979, 40.025 ])
    """
    smooth, below = _smooth_part(x), np.minimum(x, 0.0)
    slow = np.maximum(x, 0.0) + _BEND
    return np.asarray(slow * np.exp(-0.5 * below * below - _LOG_ROOT_2_PI - smooth))


def tail_point(depth: FloatArray) -> FloatArray:
    """The x at which -log Q(x) is ``depth``; right to about 1e-8, also where Q itself underflows.

    Args:
        depth: Above 1e-13.

    Examples:
        >>> tail_point(np.array([np.log(2.0), -np.log(0.025)])).round(5) + 0.0
        array([0.     , 1.95996])
    """
    known = _inverse_table(depth.dtype)
    cells = np.log(depth)
    cells -= known.least
    cells *= known.per_unit
    x = look_up(known.table, cells)
    x *= np.sqrt(depth)
    return x


def _smooth_part(x: FloatArray) -> FloatArray:
    """log Q(x) + max(x, 0)² / 2 + log(max(x, 0) + 3)."""
    known = _tail_table()
    cells = np.abs(x)
    cells += known.bend
    np.divide(x, cells, out=cells)
    cells *= known.half
    cells += known.half
    return look_up(known.table, cells)


@cache
def _tail_table() -> _TailTable:
    return _tabulate_tail(_compute_smooth_part, 2_048, 3, np.dtype(np.float64))


@cache
def _single_tail_table() -> _TailTable:
    single = cast("np.dtype[np.float64]", np.dtype(np.float32))
    return _tabulate_tail(_compute_scaled_tail, 4_096, 1, single)


def _tabulate_tail(
    function: Callable[[float], float], n_cells: int, degree: int, kind: np.dtype[np.float64]
) -> _TailTable:
    half = 0.5 * n_cells * (1.0 - float(np.finfo(kind).eps))
    table = tabulate(lambda places: _apply_to_each(function, places / half - 1.0), n_cells, degree)
    return _TailTable(*_as_arrays(kind, table, half, _BEND))


@cache
def _inverse_table(kind: np.dtype[np.float64]) -> _InverseTable:
    n_cells, degree = (1_024, 3) if kind == np.float64 else (4_096, 1)
    per_unit = n_cells / _RANGE
    table = tabulate(lambda places: _compute_inverse(np.exp(places / per_unit + _LEAST)), n_cells, degree)
    return _InverseTable(*_as_arrays(kind, table, _LEAST, per_unit))


def _as_arrays(kind: np.dtype[np.float64], *values: FloatArray | float) -> list[FloatArray]:
    return [np.asarray(value, dtype=kind) for value in values]


def _compute_smooth_part(position: float) -> float:
    """Compute `_smooth_part` exactly, for the x with x / (|x| + 3) = ``position``."""
    x = 3.0 * position / (1.0 - abs(position))
    if x < 0.0:
        return math.log1p(-0.5 * math.erfc(-x / _ROOT_2)) + math.log(_BEND)
    if x < 8.0:
        return math.log(0.5 * math.erfc(x / _ROOT_2)) + 0.5 * x * x + math.log(x + _BEND)
    fraction = x
    for k in range(20, 0, -1):
        fraction = x + k / fraction
    return math.log((x + _BEND) / fraction) - _LOG_ROOT_2_PI


def _compute_scaled_tail(position: float) -> float:
    """Compute log Q(x) / (|x| + 3)² exactly, for the x with x / (|x| + 3) = ``position``."""
    length = _BEND / (1.0 - abs(position))
    above = max(position * length, 0.0)
    return (_compute_smooth_part(position) - math.log(above + _BEND) - 0.5 * above * above) / length**2


def _compute_inverse(depth: FloatArray) -> FloatArray:
    """Compute `tail_point` over the square root of the depth, by Newton's method on the logarithm."""
    upper = depth >= math.log(2.0)
    nearer = np.where(upper, depth, -np.log(-np.expm1(-depth)))
    # Newton's method reaches the root of a convex function from one side.
    x = np.sqrt(2.0 * nearer)
    for _ in range(8):
        x += (nearer + log_tail(x)) / hazard(x)
    return np.where(upper, x, -x) / np.sqrt(depth)


def _apply_to_each(function: Callable[[float], float], values: FloatArray) -> FloatArray:
    return np.array([function(value) for value in values.ravel().tolist()]).reshape(values.shape)


def tabulate(function: Callable[[FloatArray], FloatArray], n_cells: int, degree: int) -> FloatArray:
    """Interpolate a function on the cells [0, 1], [1, 2], … at the Chebyshev points of each.

    Args:
        function: Takes places strictly between 0 and ``n_cells``, in an array of any shape.
        n_cells: Number of cells.
        degree: Of the polynomials.

    Returns:
        The coefficients of each cell's polynomial, highest power first, shape (degree + 1 × n_cells).
    """
    n_nodes = degree + 1
    nodes = 0.5 - 0.5 * np.cos(np.pi * np.arange(0.5, n_nodes) / n_nodes)
    values = function(np.arange(n_cells) + nodes[:, None])
    return np.asarray(np.linalg.solve(np.vander(nodes), values))


def look_up(table: FloatArray, positions: FloatArray) -> FloatArray:
    """Interpolate in a table.

    Args:
        table: From `tabulate`.
        positions: Counted in cells; overwritten. Positions outside the table are read in the nearest cell, at
            their fraction there.

    Examples:
        >>> look_up(tabulate(np.sqrt, 8, degree=3), np.array([4.0, 6.25])).round(3)
        array([2. , 2.5])
    """
    cells = np.floor(positions)
    coefficients = table.take(cells.astype(np.intp), axis=1, mode="clip")
    positions -= cells
    values = coefficients[0]
    # By number: iterating over an array takes several times as long.
    for power in range(1, len(coefficients)):
        values *= positions
        values += coefficients[power]
    return np.asarray(values)
