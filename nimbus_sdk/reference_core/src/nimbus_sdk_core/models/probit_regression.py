"""Variational Bayesian regression of latent class scores on features, observed through labels.

The model, for trial i with inputs x_i (a one and the standardised features) and label y_i:

    W ~ Wishart(ν, Ψ⁻¹)    B | W ~ MatrixNormal(M, P⁻¹, W⁻¹)    z_i ~ Normal(Bᵀx_i, W⁻¹)    y_i = argmax H·z_i

H is from `helmert_contrasts`. The posterior is approximated by p(B | z, W)·q(z_1)⋯q(z_n)·q(W): the
coefficients keep their exact dependence on the latent vectors, so that the approximation becomes exact as
features become many, where independent factors are far too wide. Source: A. Fasano, D. Durante and G.
Zanella, Scalable and accurate variational Bayes for high-dimensional binary regression models, Biometrika
109 (2022); for several classes A. Fasano and D. Durante, A class of conjugate priors for multinomial probit
models, JMLR 23 (2022). With V = (P + XᵀX)⁻¹, influence h_i = x_iᵀVx_i and the fit η = XV(PM + XᵀE[z]), each
z_i is normal within the cone of its label, with mean (η_i - h_i·E[z_i]) / (1 - h_i), the prediction from the
other trials, and covariance E[W]⁻¹ / (1 - h_i). W stays Wishart. Here its factor is added, since the
covariance of the noise is unknown: K. Imai and D. A. van Dyk, A Bayesian analysis of the multinomial probit
model, J. Econometrics 124 (2005); J. H. Albert and S. Chib, JASA 88 (1993), for the latent vectors.

The means are found by Newton's method for each trial, given the fit of all, with `AndersonAcceleration`:
a few dozen iterations do what hundreds did.
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

# Of a trial that alone decides its own fit, as with many features under a weak prior.
_LEAST_SHARPNESS = 1e-9

# In units of the noise. If no coefficient moves by more in an iteration, probabilities are final to 1e-3.
_CONVERGED = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class LatentRegression:
    """Beliefs on coefficients and noise of the latent scores.

    Attributes:
        coefficients: M, shape (n_inputs × n_classes - 1).
        precision: P, shape (n_inputs × n_inputs); of a posterior the inverse of V + VXᵀDXV, with the variance
            that labels leave of the latent vectors as D.
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


class ExpectedLatent(NamedTuple):
    """Moments of latent vectors within the cones of their labels.

    Attributes:
        deviations: Expected deviation of each from its mean, shape (n_classes - 1 × n_trials).
        squares: Sum of the expected outer squares of these, shape (n_classes - 1 × n_classes - 1).
        shares: Variance that the label leaves of each, in parts of the noise's, shape (n_trials,).
        log_shares: Logarithm of the probability of all labels.
    """

    deviations: FloatArray
    squares: FloatArray
    shares: FloatArray
    log_shares: float


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
    n_trials, n_latent = len(inputs), prior.coefficients.shape[1]
    rule = cube_rule(n_latent - 1, per_axis=(12, 10, 10), lattice=512)
    differences = score_differences(_class_means(inputs, index, n_latent + 1))
    dof = prior.dof + copies * n_trials
    given = prior.precision + copies * (inputs.T @ inputs)
    covariance = np.asarray(np.linalg.inv(given), dtype=np.float64)
    influence = np.einsum("ij,ij->i", inputs @ covariance, inputs)
    sharpness = np.maximum(1.0 - influence, _LEAST_SHARPNESS)
    roots = np.sqrt(sharpness)[:, None]
    acceleration, n_iterations, step = AndersonAcceleration(), 0, np.inf
    point = pack_point(roots * (inputs @ prior.coefficients), prior.scatter / prior.dof)
    while n_iterations < iterations and step > _CONVERGED:
        white, noise = unpack_point(point, n_trials, n_latent)
        latent = _expect_latent(white.T, index, noise, rule, differences)
        deviations = latent.deviations.T / roots
        means = white / roots + deviations
        coefficients = covariance @ (prior.precision @ prior.coefficients + copies * (inputs.T @ means))
        fitted = inputs @ coefficients
        residuals, shift = means - fitted, coefficients - prior.coefficients
        spread = latent.squares - latent.deviations @ latent.deviations.T
        scatter = prior.scatter + copies * (residuals.T @ residuals + spread)
        scatter += shift.T @ prior.precision @ shift
        scatter = 0.5 * (scatter + scatter.T)
        newton = (fitted - white / roots - influence[:, None] * deviations) * roots
        newton /= (sharpness + influence * latent.shares)[:, None]
        moved = copies * covariance @ (inputs.T @ (latent.shares[:, None] * newton / roots))
        change = pack_point(coefficients + moved, scatter / dof) - pack_point(coefficients, noise)
        n_iterations, step = n_iterations + 1, float(np.abs(change).max())
        # The lower bound, but for a constant: entropy of the latent vectors, and evidence of their moments.
        bound = copies * _latent_entropy(latent, noise) - 0.5 * dof * _log_det(scatter)
        point = acceleration.next(pack_point(white + newton, scatter / dof), change, bound)
    weighted = inputs * np.sqrt(copies * latent.shares / sharpness)[:, None]
    precision = _marginal_precision(covariance, weighted)
    return RegressionFit(LatentRegression(coefficients, precision, dof, scatter), n_iterations, step)


def _latent_entropy(latent: ExpectedLatent, noise: FloatArray) -> float:
    """Entropy of the latent vectors, but for a constant."""
    length = float(np.trace(np.linalg.solve(noise, latent.squares)))
    return latent.log_shares + 0.5 * (len(latent.shares) * _log_det(noise) + length)


def _marginal_precision(covariance: FloatArray, weighted: FloatArray) -> FloatArray:
    """Precision of the coefficients over the latent vectors, (V + VXᵀDXV)⁻¹, from V and √D·X."""
    projected = covariance @ weighted.T
    precision = np.linalg.inv(covariance + projected @ projected.T)
    return np.asarray(0.5 * (precision + precision.T))


def _expect_latent(
    latent: FloatArray, index: IndexArray, covariance: FloatArray, rule: Rule, differences: FloatArray
) -> ExpectedLatent:
    """Moments of each latent vector, given the labels.

    Args:
        latent: Means, shape (n_classes - 1 × n_trials).
        index: The class of each trial, shape (n_trials,).
        covariance: Of the noise, shape (n_classes - 1 × n_classes - 1).
        rule: How to integrate.
        differences: From `score_differences`.
    """
    deviations, squares, log_shares = np.empty_like(latent), np.zeros_like(covariance), 0.0
    shares = np.empty(latent.shape[1])
    for k, contrast in enumerate(differences):
        lower = np.linalg.cholesky(contrast @ covariance @ contrast.T)
        back = np.linalg.solve(contrast, lower)
        for trials in _split_trials(np.flatnonzero(index == k), rule):
            moments = truncated_moments(contrast @ latent[:, trials], lower, rule)
            deviations[:, trials] = back @ moments.means
            squares += back @ moments.squares @ back.T
            shares[trials] = (moments.lengths - (moments.means**2).sum(axis=0)) / len(latent)
            log_shares += moments.log_shares
    return ExpectedLatent(deviations, squares, shares, log_shares)


def _class_means(inputs: FloatArray, index: IndexArray, n_classes: int) -> FloatArray:
    """Mean inputs of each class, 0 for one without trials."""
    members = np.eye(n_classes)[:, index]
    return np.asarray(members @ inputs / np.maximum(members.sum(axis=1), 1.0)[:, None])


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


def score_differences(places: FloatArray) -> FloatArray:
    """Return for each class the matrix D with D·z = its score minus each other's: all positive if it wins.

    The others come by distance, nearest first, whatever the order of the classes. So results do not depend on
    that order, and fewer points are enough for the integrals over the cone: G. J. Gibson, C. A. Glasbey and
    D. A. Elston, Monte Carlo evaluation of multivariate normal integrals and sensitivity to variate ordering,
    in Advances in Numerical Methods and Applications (1994).

    Args:
        places: By which the distance of classes is measured, shape (n_classes × n_axes).

    Returns:
        Shape (n_classes × n_classes - 1 × n_classes - 1).
    """
    scores = helmert_contrasts(len(places))
    differences = []
    for k, place in enumerate(places):
        distances = ((places - place) ** 2).sum(axis=1)
        others = [j for j in np.argsort(distances, kind="stable") if j != k]
        differences.append(scores[k] - scores[others])
    return np.stack(differences)
