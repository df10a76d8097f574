"""Latent class scores regressed on features, with labels for their only evidence: variational Bayes.

The model, for trial i with inputs x_i (a one and the standardised features) and label y_i:

    W ~ Wishart(ν, Ψ⁻¹)    B | W ~ MatrixNormal(M, P⁻¹, W⁻¹)    z_i ~ Normal(Bᵀx_i, W⁻¹)    y_i = argmax H·z_i

H is in `latent`. The posterior is approximated by q(z_1)⋯q(z_n)·q(B, W), the first factors normal within the
cone of their label, the last of the prior's own form: C. M. Bishop, Pattern Recognition and Machine Learning
(2006), section 10.1, for the principle; M. Girolami and S. Rogers, Variational Bayesian multinomial probit
regression with Gaussian process priors, Neural Computation 18 (2006), for the probit; J. H. Albert and S.
Chib, JASA 88 (1993), for the latent vectors; K. Imai and D. A. van Dyk, A Bayesian analysis of the
multinomial probit model, J. Econometrics 124 (2005), for the unknown covariance of their noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray, IndexArray
from .blocks import blocks
from .latent import leads
from .orthant import truncated
from .quadrature import Rule, cube

# Doubles in one array of intermediate results: what stays in the cache.
_AT_ONCE = 2**13


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


def learn(
    prior: LatentRegression, inputs: FloatArray, index: IndexArray, *, copies: int, iterations: int
) -> LatentRegression:
    """Find the posterior by turns: latent vectors given coefficients and noise, then the other way round.

    Every turn raises a lower bound of the evidence, up to what the integration over the cones of more than
    four classes misses.

    Args:
        prior: Beliefs before.
        inputs: Shape (n_trials × n_inputs).
        index: The class of each trial, shape (n_trials,).
        copies: How many unanimous answers each label stands for.
        iterations: Number of turns.
    """
    n_classes = prior.coefficients.shape[1] + 1
    rule = cube(n_classes - 2, per_axis=(12, 6, 6), lattice=512)
    precision = prior.precision + copies * (inputs.T @ inputs)
    covariance = np.linalg.inv(precision)
    pull = prior.precision @ prior.coefficients
    found = prior
    for _ in range(iterations):
        latent = inputs @ found.coefficients
        expected, squares = _expect(latent.T, index, found.scatter / found.dof, rule)
        coefficients = covariance @ (pull + copies * (inputs.T @ (latent + expected.T)))
        away, moved = latent - inputs @ coefficients, coefficients - prior.coefficients
        cross = expected @ away
        scatter = prior.scatter + copies * (squares + cross + cross.T + away.T @ away)
        scatter += moved.T @ prior.precision @ moved
        found = LatentRegression(
            coefficients, precision, prior.dof + copies * len(inputs), 0.5 * (scatter + scatter.T)
        )
    return found


def _expect(
    latent: FloatArray, index: IndexArray, covariance: FloatArray, rule: Rule
) -> tuple[FloatArray, FloatArray]:
    """Of each latent vector's deviation from its mean, given the label: expectation, and sum of squares.

    Args:
        latent: Means, shape (n_classes - 1 × n_trials).
        index: The class of each trial, shape (n_trials,).
        covariance: Of the noise, shape (n_classes - 1 × n_classes - 1).
        rule: How to integrate.

    Returns:
        Shapes (n_classes - 1 × n_trials) and (n_classes - 1 × n_classes - 1).
    """
    expected, squares = np.empty_like(latent), np.zeros_like(covariance)
    for k, lead in enumerate(leads(len(latent) + 1)):
        lower = np.linalg.cholesky(lead @ covariance @ lead.T)
        back = np.linalg.solve(lead, lower)
        for trials in _pieces(np.flatnonzero(index == k), rule):
            found = truncated(lead @ latent[:, trials], lower, rule)
            expected[:, trials] = back @ found.means
            squares += back @ found.squares @ back.T
    return expected, squares


def _pieces(trials: IndexArray, rule: Rule) -> Iterator[IndexArray]:
    for block in blocks(len(trials), most=max(1, _AT_ONCE // rule.weights.size)):
        yield trials[block]
