"""How likely a correlated normal vector has no negative entry, and where it lies if it has none.

The vector d = mean + L·e with a lower triangular L and independent standard normal e. Entry by entry, e_i
must exceed a bound that depends on the entries before: J. Geweke, V. Hajivassiliou and M. Keane (GHK); see
K. Train, Discrete Choice Methods with Simulation, 2nd edition (2009), section 5.6.3, and A. Genz, Numerical
computation of multivariate normal probabilities, J. Comp. Graph. Stat. 1 (1992). The last entry is
integrated in closed form and the others by a fixed `Rule`, so that in one dimension nothing is approximated.
"""

from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray
from .normal import hazard, log_tail, tail_point
from .quadrature import Rule


@dataclass(frozen=True, slots=True, eq=False)
class Truncated:
    """Moments of e given that d = mean + L·e has no negative entry.

    Attributes:
        means: E[e] of each vector, shape (n_axes × n_vectors).
        squares: Sum over the vectors of E[e eᵀ], shape (n_axes × n_axes).
    """

    means: FloatArray
    squares: FloatArray


def log_probability(mean: FloatArray, lower: FloatArray, rule: Rule) -> FloatArray:
    """Natural logarithm of P(d ≥ 0).

    Args:
        mean: Shape (n_axes, …).
        lower: L, shape (n_axes, n_axes, …); further axes broadcast with those of ``mean``.
        rule: A rule for n_axes - 1 axes; its stretches scale ``mean``.

    Returns:
        Shape (…).

    >>> from .quadrature import cube
    >>> half = log_probability(np.zeros((1, 1)), np.ones((1, 1, 1)), cube(0, per_axis=(1, 1, 1), lattice=1))
    >>> round(float(np.exp(half[0])), 12)
    0.5
    """
    _, _, log_weights = _descend(mean, lower, rule)
    nodes = tuple(range(rule.weights.ndim))
    top = log_weights.max(axis=nodes)
    return np.asarray(top + np.log(np.exp(log_weights - top).sum(axis=nodes)))


def truncated(mean: FloatArray, lower: FloatArray, rule: Rule) -> Truncated:
    """Moments of e given d ≥ 0.

    Args:
        mean: Shape (n_axes × n_vectors).
        lower: L, shape (n_axes × n_axes).
        rule: A rule for n_axes - 1 axes without stretches.
    """
    steps, bound, log_weights = _descend(mean, lower, rule)
    nodes = tuple(range(rule.weights.ndim))
    weights = np.exp(log_weights - log_weights.max(axis=nodes))
    weights /= weights.sum(axis=nodes)
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
    found = np.stack(means)
    # What the rule misses it misses on one side, and learning would add it up from turn to turn. The trace is
    # known exactly: d·φ(d) flows through no face of the cone, so that by the divergence theorem
    # E[|e|²] = n_axes - (L⁻¹·mean)·E[e].
    exact = mean.size - (np.linalg.solve(lower, mean) * found).sum()
    return Truncated(found, squares * (exact / np.trace(squares)))


def _descend(
    mean: FloatArray, lower: FloatArray, rule: Rule
) -> tuple[list[FloatArray], FloatArray, FloatArray]:
    """Entries but the last at each point, the last one's bound, and the logarithm of each point's weight."""
    over = (..., *[None] * (mean.ndim - 1))
    log_weights = np.log(rule.weights)[over]
    steps: list[FloatArray] = []
    while True:
        i = len(steps)
        reached = rule.stretch[over] * mean[i]
        for j, step in enumerate(steps):
            reached = reached + lower[i, j] * step
        bound = reached / -lower[i, i]
        tail = log_tail(bound)
        log_weights = log_weights + tail
        if i == len(mean) - 1:
            return steps, bound, log_weights
        steps.append(tail_point(-np.log(rule.points[i])[over] - tail))
