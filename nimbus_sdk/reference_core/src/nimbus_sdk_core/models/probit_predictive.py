"""The posterior predictive of NimbusProbit: with coefficients and noise integrated out, a Student-t.

The latent vector of a new trial with inputs x follows

    z ~ t(Mᵀx, Ψ·(1 + xᵀP⁻¹x)/ν', ν'),    ν' = ν - n_classes + 2

and the probability of class k is that of z in its cone. Source: the matrix-normal and inverse-Wishart
analysis of K. P. Murphy, Probabilistic Machine Learning: Advanced Topics (2023), section 15.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from .._types import FloatArray
from ..errors import CoreDataError
from ..stats.blocked import blocks, multiply_blocked
from ..stats.orthant import Cone, log_student_probability, make_cone
from ..stats.quadrature import Rule, StudentScale, cube_rule, student_scale_rule
from .probit_regression import LatentRegression, helmert_contrasts, score_differences

# Numbers in one array of intermediate results, small enough for the cache.
_PIECE_NUMBERS = 2**14

# The rules are right to 1e-3. Single precision is right to 1e-6, and takes a third of the time.
_SINGLE = cast("type[np.float64]", np.float32)

# From here on one scale of the Student-t gives probabilities that are right to 1e-3. It is used for four
# classes and more, where further scales would take most of the time.
_NEARLY_NORMAL = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class ProbitPredictive:
    """The predictive, prepared for many trials.

    Attributes:
        directions: The inverse Cholesky factor of P, and below it the differences of each class's mean score
            to the others', difference by difference for all classes: one product gives all terms of the
            inputs, shape (n_inputs + n_classes - 1 · n_classes × n_inputs).
        cones: Where each class wins, for differences of shape (n_classes - 1 × n_classes × n_trials).
        rule: How to integrate over the noise.
        scale: How to integrate over its scale.
    """

    directions: FloatArray
    cones: Cone
    rule: Rule
    scale: StudentScale


def prepare_probit_predictive(posterior: LatentRegression) -> ProbitPredictive:
    """Prepare the predictive of a posterior.

    Raises:
        CoreDataError: A matrix is not positive definite in floating point.
    """
    n_latent = posterior.coefficients.shape[1]
    dof = posterior.dof - n_latent + 1.0
    differences = score_differences(helmert_contrasts(n_latent + 1) @ posterior.coefficients.T)
    try:
        lower = np.linalg.cholesky(differences @ (posterior.scatter / dof) @ differences.transpose(0, 2, 1))
        whitener = np.linalg.inv(np.linalg.cholesky(posterior.precision))
    except np.linalg.LinAlgError:
        raise CoreDataError(
            "The precision of the coefficients or the noise is singular in floating point.",
            "Give hyper-parameters that are less extreme.",
        ) from None
    margins = differences @ posterior.coefficients.T
    return ProbitPredictive(
        directions=np.concatenate([whitener, margins.transpose(1, 0, 2).reshape(-1, len(whitener))]),
        cones=make_cone(lower.transpose(1, 2, 0)[..., None].astype(_SINGLE)),
        rule=cube_rule(n_latent - 1, per_axis=(8, 5, 5), lattice=512).astype(_SINGLE),
        scale=student_scale_rule(dof, n_scales=1 if n_latent > 2 and dof >= _NEARLY_NORMAL else None).astype(
            _SINGLE
        ),
    )


def log_class_probabilities(predictive: ProbitPredictive, inputs: FloatArray) -> FloatArray:
    """Natural logarithm of each class's probability, shape (n_classes × n_trials).

    Each class is integrated on its own, so that the probabilities sum to 1 to the accuracy of the rule.

    Args:
        predictive: The prepared predictive.
        inputs: A row of ones and the standardised features, shape (n_inputs × n_trials).
    """
    n_inputs, n_trials = inputs.shape
    projected = multiply_blocked(predictive.directions, inputs)
    white, margins = projected[:n_inputs], projected[n_inputs:]
    white *= white
    variances = np.add.reduce(white)
    variances += 1.0
    margins /= np.sqrt(variances, out=variances)
    n_latent = len(predictive.cones.heights)
    mean = margins.astype(_SINGLE).reshape(n_latent, -1, n_trials)
    each = predictive.rule.weights.size * predictive.scale.squares.size * mean.shape[1]
    at_once = max(1, _PIECE_NUMBERS // each)
    if n_trials <= at_once:
        return log_student_probability(mean, predictive.cones, predictive.rule, predictive.scale).astype(
            float
        )
    log_probabilities = np.empty(mean.shape[1:])
    for block in blocks(n_trials, most=at_once):
        log_probabilities[:, block] = log_student_probability(
            mean[..., block], predictive.cones, predictive.rule, predictive.scale
        )
    return log_probabilities
