"""Orthant probabilities and truncated moments of a correlated normal vector.

The vector d = mean + L·e with a lower triangular L and independent standard normal e. Entry by entry, e_i
must exceed a bound that depends on the entries before: J. Geweke, V. Hajivassiliou and M. Keane (GHK); see
K. Train, Discrete Choice Methods with Simulation, 2nd edition (2009), section 5.6.3, and A. Genz, Numerical
computation of multivariate normal probabilities, J. Comp. Graph. Stat. 1 (1992). The last entry is
integrated in closed form and the others by a fixed `Rule`, so that in one dimension nothing is approximated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._types import FloatArray
from .normal_tail import hazard, log_tail, tail_point
from .quadrature import Rule, StudentScale


@dataclass(frozen=True, slots=True, eq=False)
class Cone:
    """The cone where d = mean + L·e has no negative entry, for many means; made by `make_cone`.

    Attributes:
        heights: What the mean adds to the bound of each e_i, -1 / L_ii, shape (n_axes, …).
        slopes: What each e_j before adds to it, -L_ij / L_ii, shape (n_axes, n_axes, …).
        normals: The rows of L, of length 1, likewise.
        sharpness: One over the length that each had, shape (n_axes, …).
    """

    heights: FloatArray
    slopes: FloatArray
    normals: FloatArray
    sharpness: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class TruncatedMoments:
    """Moments of e given that d = mean + L·e has no negative entry.

    Attributes:
        means: E[e] of each vector, shape (n_axes × n_vectors).
        squares: Sum over the vectors of E[e eᵀ], shape (n_axes × n_axes).
        lengths: E[|e|²] of each vector, shape (n_vectors,).
        log_shares: Sum over the vectors of log P(d ≥ 0).
    """

    means: FloatArray
    squares: FloatArray
    lengths: FloatArray
    log_shares: float


def make_cone(lower: FloatArray) -> Cone:
    """Prepare L, shape (n_axes, n_axes, …); its further axes broadcast with those of the means."""
    heights = -1.0 / np.einsum("ii...->i...", lower)
    sharpness = 1.0 / np.sqrt(np.einsum("ij...,ij...->i...", lower, lower))
    return Cone(heights, lower * heights[:, None], lower * sharpness[:, None], sharpness)


def log_probability(mean: FloatArray, within: Cone, rule: Rule) -> FloatArray:
    """Natural logarithm of P(d ≥ 0).

    Args:
        mean: Shape (n_axes, …).
        within: The cone.
        rule: A rule for n_axes - 1 axes.

    Returns:
        Shape (…).

    Examples:
        >>> from .quadrature import cube_rule
        >>> half_line, point = make_cone(np.ones((1, 1, 1))), cube_rule(0, per_axis=(1, 1, 1), lattice=1)
        >>> np.exp(log_probability(np.zeros((1, 1)), half_line, point)).round(12)
        array([0.5])
    """
    _, _, log_weights = _condition_in_turn(mean * within.heights, within.slopes, rule)
    return _log_sum(log_weights, mean.shape[1:])


def log_student_probability(mean: FloatArray, within: Cone, rule: Rule, scale: StudentScale) -> FloatArray:
    """As `log_probability`, where e follows a Student-t: a standard normal over a random scale g.

    Far from the cone only the few scales count that reach it. Given g the probability falls about as
    exp(-δ²g²/2), where δ is the distance to the cone. The product with the Gamma density of g² is, up to a
    constant, another Gamma density, with rate (dof + δ²) / 2 in place of dof / 2. Under that density the rest
    of the integrand is as smooth as near the cone, and the tail follows its power law at every distance.
    """
    squared = _squared_distance(mean, within)
    nearness = scale.dof / (scale.dof + squared)
    over = (..., *[None] * squared.ndim)
    squares = scale.squares[over] * nearness
    bounds = (mean * within.heights)[:, None] * np.sqrt(squares)
    squares *= 0.5 * squared
    squares += scale.log_weights[over]
    _, _, log_weights = _condition_in_turn(bounds, within.slopes, rule, squares)
    log_probabilities = _log_sum(log_weights, squared.shape)
    log_probabilities += 0.5 * scale.dof * np.log(nearness)
    return log_probabilities


def truncated_moments(mean: FloatArray, lower: FloatArray, rule: Rule) -> TruncatedMoments:
    """Moments of e given d ≥ 0.

    Args:
        mean: Shape (n_axes × n_vectors).
        lower: L, shape (n_axes × n_axes).
        rule: A rule for n_axes - 1 axes.
    """
    within = make_cone(lower[..., None])
    steps, bound, log_weights = _condition_in_turn(mean * within.heights, within.slopes, rule)
    nodes = tuple(range(rule.weights.ndim))
    top = log_weights.max(axis=nodes)
    weights = np.exp(log_weights - top)
    total = weights.sum(axis=nodes)
    weights /= total
    values = [*steps, hazard(bound)]
    means, squares = [], np.empty((len(values), len(values)))
    for i, value in enumerate(values):
        weighted = weights * value
        means.append(weighted.sum(axis=nodes))
        for j in range(i):
            squares[i, j] = squares[j, i] = (weighted * values[j]).sum()
        # The last entry comes as its mean beyond a bound b, where a standard normal has E[e²] = 1 + b·E[e].
        is_last = i == len(steps)
        squares[i, i] = mean.shape[1] + (weighted * bound).sum() if is_last else (weighted * value).sum()
    expected = np.stack(means)
    # The error of the rule has one sign, and would add up over the iterations of learning. The trace is known
    # exactly: d·φ(d) flows through no face of the cone, so that by the divergence theorem
    # E[|e|²] = n_axes - (L⁻¹·mean)·E[e].
    lengths = len(mean) - (np.linalg.solve(lower, mean) * expected).sum(axis=0)
    log_shares = float((top + np.log(total)).sum())
    return TruncatedMoments(expected, squares * (lengths.sum() / np.trace(squares)), lengths, log_shares)


def _condition_in_turn(
    bounds: FloatArray, slopes: FloatArray, rule: Rule, log_weights: FloatArray | None = None
) -> tuple[list[FloatArray], FloatArray, FloatArray]:
    """Compute all entries but the last at each point, the bound of the last, and the points' log weights.

    Args:
        bounds: Of each entry, but for the entries before, shape (n_axes, …).
        slopes: What each entry before adds to it, shape (n_axes, n_axes, …).
        rule: A rule for n_axes - 1 axes.
        log_weights: What each vector counts besides, shape (…).
    """
    over = (..., *[None] * (bounds.ndim - 1))
    steps: list[FloatArray] = []
    while True:
        i = len(steps)
        bound = bounds[i]
        for j, step in enumerate(steps):
            bound = bound + slopes[i, j] * step
        tail = log_tail(bound)
        log_weights = tail if log_weights is None else log_weights + tail
        if i == len(bounds) - 1:
            return steps, bound, log_weights + rule.log_weights[over]
        steps.append(tail_point(rule.depths[i][over] - tail))


def _squared_distance(mean: FloatArray, within: Cone) -> FloatArray:
    """Squared distance from the mean to the cone, or a little less; shape (…).

    The distance is the maximum over all vectors that point out of the cone, sums of the faces' normals with
    weights of at least 0. One such vector is evaluated: each face weighted by how far the mean is behind it.
    """
    behind = np.minimum(mean * within.sharpness, 0.0)
    # For the few numbers of one trial this takes less time than np.einsum, which parses its first argument.
    length = np.add.reduce(behind * behind)
    outward = np.add.reduce(within.normals * behind[:, None])
    tried = np.add.reduce(np.multiply(outward, outward, out=outward))
    length *= length
    length /= np.maximum(tried, 1e-30, out=tried)
    return np.asarray(length)


def _log_sum(log_weights: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Logarithm of the sum over all points, from the logarithms of the terms; the result has a shape."""
    # One row for each vector: NumPy reduces along rows several times as fast as along short columns.
    rows = log_weights.reshape(-1, math.prod(shape)).T.copy()
    largest = np.maximum.reduce(rows, axis=1)
    rows -= largest[:, None]
    log_sums = np.log(np.add.reduce(np.exp(rows, out=rows), axis=1))
    log_sums += largest
    return np.asarray(log_sums.reshape(shape))
