"""Variational Bayesian regression of latent class scores on features, observed through labels.

The model, for trial i with inputs x_i (a one and the standardised features) and label y_i:

    W ~ Wishart(ν, Ψ⁻¹)    B | W ~ MatrixNormal(M, P⁻¹, W⁻¹)    z_i ~ Normal(Bᵀx_i, W⁻¹)    y_i = argmax H·z_i

H is from `helmert_contrasts`. The posterior is approximated by q(z_1)⋯q(z_n)·q(B, W), the first factors
normal within the cone of their label, the last of the form of the prior: C. M. Bishop, Pattern Recognition
and Machine Learning (2006), section 10.1, for the principle; M. Girolami and S. Rogers, Variational Bayesian
multinomial probit regression with Gaussian process priors, Neural Computation 18 (2006), for the probit; J.
H. Albert and S. Chib, JASA 88 (1993), for the latent vectors; K. Imai and D. A. van Dyk, A Bayesian analysis
of the multinomial probit model, J. Econometrics 124 (2005), for the unknown covariance of their noise.

Each iteration raises a lower bound of the evidence, but slowly: with `AndersonAcceleration` a few dozen
iterations do what hundreds did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._types import FloatArray, IndexArray
from ..stats.anderson import AndersonAcceleration, pack_point, unpack_point
from ..stats.blocked import blocks
from ..stats.orthant import truncated_moments
from ..stats.quadrature import Rule, cube_rule

# Doubles in one array of intermediate results, small enough for the cache.
_PIECE_NUMBERS = 2**13

# In units of the noise. If no coefficient moves by more in an iteration, probabilities are final to 1e-3.
_CONVERGED = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class LatentRegression:
    """Beliefs on coefficients and noise of the latent scores.

    Attributes:
        coefficients: M, shape (n_inputs × n_classes - 1).
        precision: P, shape (n_inputs × n_inputs).
        dof: ν of the noise.
        scatter: Ψ of the noise, shape (n_classes - 1 × n_classes - 1).
    """

    coefficients: FloatArray
    precision: FloatArray
    dof: float
    scatter: FloatArray


class RegressionFit(NamedTuple):
    """What `fit_regression` has found, and how it got there.

    Attributes:
        posterior: Beliefs after.
        n_iterations: How many it took.
        last_step: The largest change of a number in the last one, in units of the noise.
    """

    posterior: LatentRegression
    n_iterations: int
    last_step: float


def fit_regression(
    prior: LatentRegression, inputs: FloatArray, index: IndexArray, *, copies: int, iterations: int
) -> RegressionFit:
    """Find the posterior iteratively: latent vectors given coefficients and noise, then the converse.

    Args:
        prior: Beliefs before.
        inputs: Shape (n_trials × n_inputs).
        index: The class of each trial, shape (n_trials,).
        copies: Number of identical answers that each label counts for.
        iterations: Largest number of iterations; fewer are made if nothing moves any more.
    """
    n_inputs, n_latent = prior.coefficients.shape
    rule = cube_rule(n_latent - 1, per_axis=(12, 10, 10), lattice=512)
    precision, dof = prior.precision + copies * (inputs.T @ inputs), prior.dof + copies * len(inputs)
    covariance = np.linalg.inv(precision)
    acceleration, n_iterations, step = AndersonAcceleration(), 0, np.inf
    point = pack_point(prior.coefficients, prior.scatter / prior.dof)
    while n_iterations < iterations and step > _CONVERGED:
        start, noise = unpack_point(point, n_inputs, n_latent)
        latent = inputs @ start
        expected, squares, log_shares = _expect_latent(latent.T, index, noise, rule)
        weighted = prior.precision @ prior.coefficients + copies * (inputs.T @ (latent + expected.T))
        coefficients = covariance @ weighted
        residuals, shift = latent - inputs @ coefficients, coefficients - prior.coefficients
        cross = expected @ residuals
        scatter = prior.scatter + copies * (squares + cross + cross.T + residuals.T @ residuals)
        scatter += shift.T @ prior.precision @ shift
        scatter = 0.5 * (scatter + scatter.T)
        reached = pack_point(coefficients, scatter / dof)
        n_iterations, step = n_iterations + 1, float(np.abs(reached - point).max())
        # The lower bound, but for a constant: entropy of the latent vectors, and evidence of their moments.
        spread = float(np.trace(np.linalg.solve(noise, squares)))
        entropy = log_shares + 0.5 * (len(inputs) * _log_det(noise) + spread)
        point = acceleration.next(point, reached, copies * entropy - 0.5 * dof * _log_det(scatter))
    return RegressionFit(LatentRegression(coefficients, precision, dof, scatter), n_iterations, step)


def _expect_latent(
    latent: FloatArray, index: IndexArray, covariance: FloatArray, rule: Rule
) -> tuple[FloatArray, FloatArray, float]:
    """Expected deviation of each latent vector from its mean, given the labels.

    Args:
        latent: Means, shape (n_classes - 1 × n_trials).
        index: The class of each trial, shape (n_trials,).
        covariance: Of the noise, shape (n_classes - 1 × n_classes - 1).
        rule: How to integrate.

    Returns:
        The expected deviation of each, shape (n_classes - 1 × n_trials); the sum of their squares, shape
        (n_classes - 1 × n_classes - 1); and the logarithm of the probability of all labels.
    """
    expected, squares, log_shares = np.empty_like(latent), np.zeros_like(covariance), 0.0
    for k, differences in enumerate(score_differences(len(latent) + 1)):
        lower = np.linalg.cholesky(differences @ covariance @ differences.T)
        back = np.linalg.solve(differences, lower)
        for trials in _split_trials(np.flatnonzero(index == k), rule):
            moments = truncated_moments(differences @ latent[:, trials], lower, rule)
            expected[:, trials] = back @ moments.means
            squares += back @ moments.squares @ back.T
            log_shares += moments.log_shares
    return expected, squares, log_shares


def _log_det(matrix: FloatArray) -> float:
    return float(np.linalg.slogdet(matrix)[1])


def _split_trials(trials: IndexArray, rule: Rule) -> Iterator[IndexArray]:
    for block in blocks(len(trials), most=max(1, _PIECE_NUMBERS // rule.weights.size)):
        yield trials[block]


def helmert_contrasts(n_classes: int) -> FloatArray:
    """Return H, shape (n_classes × n_classes - 1): Helmert's contrasts.

    Examples:
        >>> helmert_contrasts(2).round(4) + 0.0
        array([[ 0.7071],
               [-0.7071]])
    """
    contrasts = np.zeros((n_classes, n_classes - 1))
    for j in range(1, n_classes):
        contrasts[:j, j - 1], contrasts[j, j - 1] = 1.0, -j
    return np.asarray(contrasts / np.sqrt((contrasts * contrasts).sum(axis=0)))


def score_differences(n_classes: int) -> FloatArray:
    """Return for each class the matrix D with D·z = its score minus each other's: all positive if it wins.

    Returns:
        Shape (n_classes × n_classes - 1 × n_classes - 1).
    """
    scores = helmert_contrasts(n_classes)
    return np.stack([score - np.delete(scores, k, axis=0) for k, score in enumerate(scores)])
