"""The posterior predictive of NimbusProbit: with coefficients and noise integrated out, a Student-t.

The latent vector of a new trial with inputs x follows

    z ~ t(Mᵀx, Ψ·(1 + xᵀP⁻¹x)/ν', ν'),    ν' = ν - n_classes + 2

and class k has the probability that z lies in its cone. Source: the matrix-normal and inverse-Wishart
analysis of K. P. Murphy, Probabilistic Machine Learning: Advanced Topics (2023), section 15.2.
"""

from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray
from .blocks import blocks, product
from .errors import CoreDataError
from .latent import leads
from .orthant import log_probability
from .quadrature import Rule, cube, with_student_scale
from .regression import LatentRegression

# Doubles in one array of intermediate results: what stays in the cache.
_AT_ONCE = 2**15


@dataclass(frozen=True, slots=True, eq=False)
class ProbitPredictive:
    """The predictive, prepared for many trials.

    Attributes:
        coefficients: Mᵀ, shape (n_classes - 1 × n_inputs).
        whitener: Inverse Cholesky factor of P, shape (n_inputs × n_inputs).
        leads: What the scores of each class must exceed, (n_classes × n_classes - 1 × n_classes - 1).
        lower: Cholesky factor of each class's leads, (n_classes - 1 × n_classes - 1 × n_classes × 1).
        rule: How to integrate over the noise and its scale.
    """

    coefficients: FloatArray
    whitener: FloatArray
    leads: FloatArray
    lower: FloatArray
    rule: Rule


def probit_predictive(posterior: LatentRegression) -> ProbitPredictive:
    """Prepare the predictive of a posterior.

    Raises:
        CoreDataError: A matrix is not positive definite in floating point.
    """
    n_latent = posterior.coefficients.shape[1]
    dof = posterior.dof - n_latent + 1.0
    ahead = leads(n_latent + 1)
    try:
        lower = np.linalg.cholesky(ahead @ (posterior.scatter / dof) @ ahead.transpose(0, 2, 1))
        whitener = np.linalg.inv(np.linalg.cholesky(posterior.precision))
    except np.linalg.LinAlgError:
        raise CoreDataError(
            "The precision of the coefficients or the noise is singular in floating point.",
            "Give hyper-parameters that are less extreme.",
        ) from None
    rule = cube(n_latent - 1, per_axis=(24, 8, 6), lattice=512)
    return ProbitPredictive(
        coefficients=np.ascontiguousarray(posterior.coefficients.T),
        whitener=np.asarray(whitener, dtype=np.float64),
        leads=ahead,
        lower=np.asarray(lower.transpose(1, 2, 0)[..., None], dtype=np.float64),
        rule=with_student_scale(rule, dof),
    )


def log_shares(ready: ProbitPredictive, inputs: FloatArray) -> FloatArray:
    """Natural logarithm of each class's probability, shape (n_classes × n_trials).

    Each class is integrated on its own, so that the probabilities sum to 1 to the accuracy of the rule.

    Args:
        ready: The prepared predictive.
        inputs: A row of ones and the standardised features, shape (n_inputs × n_trials).
    """
    white = product(ready.whitener, inputs)
    spread = np.sqrt(1.0 + np.einsum("ij,ij->j", white, white))
    mean = (ready.leads @ (product(ready.coefficients, inputs) / spread)).transpose(1, 0, 2)
    found = np.empty((len(ready.leads), inputs.shape[1]))
    for block in blocks(inputs.shape[1], most=max(1, _AT_ONCE // (ready.rule.weights.size * len(found)))):
        found[:, block] = log_probability(mean[..., block], ready.lower, ready.rule)
    return found
