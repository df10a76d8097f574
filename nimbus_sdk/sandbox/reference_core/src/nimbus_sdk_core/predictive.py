"""The exact posterior predictive of Gaussian classes, ready to be evaluated on many vectors.

With μ and Σ integrated out, a new vector of class k follows a multivariate Student-t distribution:

    x | k ~ t(m_k, Λ_k, ν_k),   ν_k = ν - n_features + 1,   Λ_k = Ψ · (κ_k + 1) / (κ_k · ν_k)

K. P. Murphy, Machine Learning: A Probabilistic Perspective (2012), section 4.6.3.6; BDA3, section 3.6. The
class itself has the posterior predictive of a Dirichlet(1, …, 1)-multinomial, (n_k + 1) / (n + n_classes):
Murphy, section 3.4.4.
"""

import math
from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray
from .blocks import product
from .conjugate import NormalInverseWishart
from .errors import CoreDataError


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a model says of each vector.

    Attributes:
        log_posteriors: Natural logarithm of each class's posterior probability, (n_vectors × n_classes).
        squared_distances: Squared Mahalanobis distance to each class under Λ_k, (n_vectors × n_classes).
        dof: ν_k, shape (n_classes,).
    """

    log_posteriors: FloatArray
    squared_distances: FloatArray
    dof: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Predictive:
    """The Student-t predictive of each class in whitened coordinates.

    Attributes:
        centre: Subtracted from every vector, so that large offsets cost no digits, (n_features,).
        whiteners: Inverse Cholesky factor of each Ψ, (n_covariances × n_features × n_features).
        places: Class means in the whitened coordinates of their covariance, (n_classes × n_features).
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


def predictive(posterior: NormalInverseWishart) -> Predictive:
    """Prepare the predictive of a posterior (or of a prior).

    Raises:
        CoreDataError: A covariance is not positive definite in floating point.
    """
    n_classes, n_features = posterior.means.shape
    lower = _cholesky(posterior.scatter)
    inverse = np.asarray(np.linalg.inv(lower), dtype=np.float64)
    owner = np.arange(n_classes) // (n_classes // len(lower))
    dof = posterior.dof[owner] - n_features + 1.0
    widths = (posterior.precision + 1.0) / (posterior.precision * dof)
    centre = posterior.means.sum(axis=0) / n_classes
    log_det = 2.0 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    share = (posterior.counts + 1.0) / (posterior.counts.sum() + n_classes)
    constants = (
        np.log(share)
        + [math.lgamma((nu + n_features) / 2) - math.lgamma(nu / 2) for nu in dof]
        - 0.5 * n_features * np.log(math.pi * dof * widths)
        - 0.5 * log_det[owner]
    )
    groups = (posterior.means - centre).reshape(len(lower), -1, n_features)
    places = (groups @ inverse.transpose(0, 2, 1)).reshape(n_classes, n_features)
    return Predictive(centre, inverse, places, widths, dof, constants)


def evaluate(ready: Predictive, vectors: FloatArray) -> Scores:
    """Score vectors against every class at once.

    Args:
        ready: The prepared predictive.
        vectors: Shape (n_vectors × n_features), in any memory order; best in `blocks`.
    """
    n_features = vectors.shape[1]
    squared = _squared_lengths(ready, vectors.T - ready.centre[:, None])
    squared /= ready.widths[:, None]
    # One row a class and one column a vector from here on: sums over a few classes are then sums of rows.
    joint = squared / ready.dof[:, None]
    np.log1p(joint, out=joint)
    joint *= -0.5 * (ready.dof + n_features)[:, None]
    joint += ready.constants[:, None]
    joint -= joint.max(axis=0)
    joint -= np.log(np.exp(joint).sum(axis=0))
    return Scores(log_posteriors=joint.T, squared_distances=squared.T, dof=ready.dof)


def _squared_lengths(ready: Predictive, columns: FloatArray) -> FloatArray:
    """Squared distance to each class in whitened coordinates, (n_classes × n_vectors)."""
    squared = np.empty((len(ready.places), columns.shape[1]))
    sharing = len(ready.places) // len(ready.whiteners)
    for k, whitener in enumerate(ready.whiteners):
        places, rows = ready.places[k * sharing : (k + 1) * sharing], squared[k * sharing : (k + 1) * sharing]
        white = product(whitener, columns)
        rows[...] = product(-2.0 * places, white)
        np.multiply(white, white, out=white)
        rows += white.sum(axis=0)
        rows += (places * places).sum(axis=1)[:, None]
    return np.maximum(squared, 0.0, out=squared)


def _cholesky(scatter: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.cholesky(scatter), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise CoreDataError(
            "A covariance is singular in floating point: some features are (nearly) sums of others.",
            "Leave out repeated or linearly dependent features.",
        ) from None
