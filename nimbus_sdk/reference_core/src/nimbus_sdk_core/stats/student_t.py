"""The exact posterior predictive of Gaussian classes, ready to be evaluated on many vectors.

With μ and Σ integrated out, a new vector of class k follows a multivariate Student-t distribution:

    x | k ~ t(m_k, Λ_k, ν_k),   ν_k = ν - n_features + 1,   Λ_k = Ψ · (κ_k + 1) / (κ_k · ν_k)

K. P. Murphy, Machine Learning: A Probabilistic Perspective (2012), section 4.6.3.6; BDA3, section 3.6. The
class itself has the posterior predictive of a Dirichlet(1, …, 1)-multinomial, (n_k + 1) / (n + n_classes),
unless class priors are given: Murphy, section 3.4.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._types import FloatArray
from ..errors import CoreDataError
from .blocked import multiply_blocked
from .niw import NormalInverseWishart

# The logarithm of a class prior of 0, finite so that entropies are: exp() of it is 0 beside any density.
_LOG_ZERO = -1e100


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Posteriors and distances of each vector.

    Attributes:
        posteriors: Each class's posterior probability, (n_vectors × n_classes).
        log_posteriors: Its natural logarithm, also where the probability underflows, likewise.
        squared_distances: Squared Mahalanobis distance to each class under Λ_k, (n_vectors × n_classes).
        dof: ν_k, shape (n_classes,).
    """

    posteriors: FloatArray
    log_posteriors: FloatArray
    squared_distances: FloatArray
    dof: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Predictive:
    """The Student-t predictive of each class in whitened coordinates.

    Attributes:
        centre: Subtracted from every vector, so that large offsets cost no digits, (n_features,).
        whiteners: For each Ψ the inverse of its Cholesky factor L, and below it -2·(L⁻¹(m - centre))ᵀL⁻¹ for
            the classes that use it: one product gives whitened coordinates and the linear terms of the
            distances, (n_covariances × n_features + n_classes / n_covariances × n_features).
        places: Squared length of L⁻¹(m - centre), shape (n_classes,).
        widths: Λ_k / Ψ, shape (n_classes,).
        dof: ν_k, shape (n_classes,).
        constants: All of log p(k) + log t(x) that does not depend on x, shape (n_classes,).
    """

    centre: FloatArray
    whiteners: FloatArray
    places: FloatArray
    widths: FloatArray
    dof: FloatArray
    constants: FloatArray


def class_shares(counts: FloatArray) -> FloatArray:
    """Probability of each class before its vector is seen, after ``counts`` vectors of each.

    Examples:
        >>> class_shares(np.array([1.0, 5.0]))
        array([0.25, 0.75])
    """
    return np.asarray((counts + 1.0) / (np.add.reduce(counts) + len(counts)))


def prepare_predictive(posterior: NormalInverseWishart, priors: FloatArray | None = None) -> Predictive:
    """Prepare the predictive of a posterior or of a prior.

    Args:
        posterior: Beliefs on means and covariances.
        priors: Probability of each class, shape (n_classes,); None for `class_shares`.

    Raises:
        CoreDataError: A covariance is not positive definite in floating point.
    """
    n_classes, n_features = posterior.means.shape
    lower = _cholesky(posterior.scatter)
    inverse = np.asarray(np.linalg.inv(lower), dtype=np.float64)
    sharing = n_classes // len(lower)
    dof = np.repeat(posterior.dof - (n_features - 1.0), sharing)
    widths = (posterior.precision + 1.0) / (posterior.precision * dof)
    centre = np.add.reduce(posterior.means) / n_classes
    log_roots = np.log(np.diagonal(lower, axis1=1, axis2=2))
    log_root_det = np.repeat(np.add.reduce(log_roots, axis=1), sharing)
    share = class_shares(posterior.counts) if priors is None else priors
    # A few numbers, for which loops are faster than arrays.
    constants = [
        (math.log(p) if p else _LOG_ZERO)
        + math.lgamma((nu + n_features) / 2)
        - math.lgamma(nu / 2)
        - log_root
        - 0.5 * n_features * math.log(math.pi * nu * width)
        for p, nu, width, log_root in zip(*_to_lists(share, dof, widths, log_root_det), strict=True)
    ]
    groups = (posterior.means - centre).reshape(len(lower), -1, n_features) @ inverse.transpose(0, 2, 1)
    whiteners = np.concatenate([inverse, -2.0 * groups @ inverse], axis=1)
    places = np.add.reduce(groups * groups, axis=2).ravel()
    return Predictive(centre, whiteners, places, widths, dof, np.array(constants))


def score_vectors(predictive: Predictive, vectors: FloatArray) -> Scores:
    """Score vectors against every class at once.

    Args:
        predictive: The prepared predictive.
        vectors: Shape (n_vectors × n_features), in any memory order; best in `blocks`.
    """
    if len(vectors) == 1:
        return _score_vector(predictive, vectors[0])
    n_features = vectors.shape[1]
    squared = squared_distances(predictive, vectors)
    # One row a class and one column a vector from here on: sums over a few classes are then sums of rows.
    posteriors, log_posteriors = normalize_log_joint(log_joint(predictive, squared, n_features))
    return Scores(posteriors.T, log_posteriors.T, squared.T, predictive.dof)


def log_joint(predictive: Predictive, squared: FloatArray, n_features: int) -> FloatArray:
    """Logarithm of the joint density of class and vector, shape (n_classes × n_vectors).

    Args:
        predictive: The prepared predictive.
        squared: Squared distances of `squared_distances`, likewise.
        n_features: Length of a vector.
    """
    joint = squared / predictive.dof[:, None]
    np.log1p(joint, out=joint)
    joint *= -0.5 * (predictive.dof + n_features)[:, None]
    joint += predictive.constants[:, None]
    return np.asarray(joint)


def _score_vector(predictive: Predictive, vector: FloatArray) -> Scores:
    """As `score_vectors` for one vector, with Python's numbers: they are faster where there are few."""
    squared, dof, n_features = _square_vector(predictive, vector), predictive.dof.tolist(), len(vector)
    joint = [
        constant - 0.5 * (nu + n_features) * math.log1p(distance / nu)
        for distance, nu, constant in zip(squared, dof, predictive.constants.tolist(), strict=True)
    ]
    posteriors, log_posteriors = _normalize_vector(joint)
    return Scores(np.array([posteriors]), np.array([log_posteriors]), np.array([squared]), predictive.dof)


def _square_vector(predictive: Predictive, vector: FloatArray) -> list[float]:
    n_features = len(vector)
    projected = predictive.whiteners @ (vector - predictive.centre)
    white = projected[:, :n_features]
    raw = projected[:, n_features:] + np.add.reduce(white * white, axis=1, keepdims=True)
    places, widths = predictive.places.tolist(), predictive.widths.tolist()
    # In this order, so that NaN stays NaN.
    return [
        max(each + place, 0.0) / width
        for each, place, width in zip(raw.ravel().tolist(), places, widths, strict=True)
    ]


def _normalize_vector(joint: list[float]) -> tuple[list[float], list[float]]:
    largest = max(joint)
    shares = [math.exp(each - largest) for each in joint]
    total = math.fsum(shares)
    log_total = largest + math.log(total)
    return [share / total for share in shares], [each - log_total for each in joint]


def log_mixture(predictive: Predictive, vectors: FloatArray) -> FloatArray:
    """Logarithm of the density of each vector, whatever its class, shape (n_vectors,).

    Args:
        predictive: The prepared predictive.
        vectors: Shape (n_vectors × n_features).
    """
    joint = log_joint(predictive, squared_distances(predictive, vectors), vectors.shape[1])
    return np.asarray(np.logaddexp.reduce(joint))


def normalize_log_joint(joint: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Posterior probabilities and their logarithms from log p(class, vector), which is overwritten.

    Args:
        joint: Up to a constant for each vector, shape (n_classes × n_vectors).
    """
    if joint.shape[1] == 1:
        posterior, log_posterior = _normalize_vector(joint[:, 0].tolist())
        return np.array(posterior)[:, None], np.array(log_posterior)[:, None]
    joint -= np.maximum.reduce(joint)
    posteriors = np.exp(joint)
    total = np.add.reduce(posteriors)
    posteriors /= total
    joint -= np.log(total)
    return posteriors, joint


def squared_distances(predictive: Predictive, vectors: FloatArray) -> FloatArray:
    """Squared Mahalanobis distance to each class under Λ_k, shape (n_classes × n_vectors).

    Args:
        predictive: The prepared predictive.
        vectors: Shape (n_vectors × n_features), in any memory order; best in `blocks`.
    """
    if len(vectors) == 1:
        return np.array(_square_vector(predictive, vectors[0]))[:, None]
    columns = vectors.T - predictive.centre[:, None]
    n_features, n_covariances = len(columns), len(predictive.whiteners)
    squared = np.empty((len(predictive.places), columns.shape[1]))
    rows_of = squared.reshape(n_covariances, -1, columns.shape[1])
    for whitener, rows in zip(predictive.whiteners, rows_of, strict=True):
        projected = multiply_blocked(whitener, columns)
        white = projected[:n_features]
        np.add(projected[n_features:], np.einsum("ij,ij->j", white, white), out=rows)
    squared += predictive.places[:, None]
    np.maximum(squared, 0.0, out=squared)
    squared /= predictive.widths[:, None]
    return squared


def _to_lists(*arrays: FloatArray) -> list[list[float]]:
    return [array.tolist() for array in arrays]


def _cholesky(scatter: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.cholesky(scatter), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise CoreDataError(
            "A covariance is singular in floating point: some features are (nearly) sums of others.",
            "Leave out repeated or linearly dependent features.",
        ) from None
