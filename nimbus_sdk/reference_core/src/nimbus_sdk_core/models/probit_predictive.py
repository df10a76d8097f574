"""The posterior predictive of NimbusProbit: with coefficients and noise integrated out, a Student-t.

The latent vector of a new trial with inputs x follows

    z ~ t(Mᵀx, Ψ·(1 + xᵀP⁻¹x)/ν', ν'),    ν' = ν - n_classes + 2

and the probability of class k is that of z in its cone. Source: the matrix-normal and inverse-Wishart
analysis of K. P. Murphy, Probabilistic Machine Learning: Advanced Topics (2023), section 15.2.
"""

from __future__ import annotations

import math
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
        centre: Subtracted from every vector, shape (n_features,).
        directions: The inverse Cholesky factor of P, and below it the differences of each class's mean score
            to the others', difference by difference for all classes: one product gives all terms of the
            features, shape (n_features + 1 + n_classes - 1 · n_classes × n_features).
        offsets: The terms of the constant input, shape (n_features + 1 + n_classes - 1 · n_classes,).
        cones: Where each class wins, for differences of shape (n_classes - 1 × n_classes × n_trials).
        rule: How to integrate over the noise.
        cones_of_one: Where each class wins, for differences of one trial, (n_classes - 1 × n_classes).
        rule_of_one: The rule in one axis. With fewer axes, small arrays take less time, and large ones more.
        scale: How to integrate over its scale.
    """

    centre: FloatArray
    directions: FloatArray
    offsets: FloatArray
    cones: Cone
    rule: Rule
    cones_of_one: Cone
    rule_of_one: Rule
    scale: StudentScale


def prepare_probit_predictive(
    posterior: LatentRegression, centre: FloatArray, scale: FloatArray
) -> ProbitPredictive:
    """Prepare the predictive of a posterior.

    Args:
        posterior: Beliefs on coefficients and noise.
        centre: Mean by which features are standardised, shape (n_features,).
        scale: Standard deviation, likewise.

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
    of_inputs = np.concatenate([whitener, margins.transpose(1, 0, 2).reshape(-1, len(whitener))])
    lower = lower.transpose(1, 2, 0).astype(_SINGLE)
    rule = cube_rule(n_latent - 1, per_axis=(8, 5, 5), lattice=512).astype(_SINGLE)
    n_scales = 1 if n_latent > 2 and dof >= _NEARLY_NORMAL else None
    return ProbitPredictive(
        centre=centre,
        directions=of_inputs[:, 1:] / scale,
        offsets=of_inputs[:, 0].copy(),
        cones=make_cone(lower[..., None]),
        rule=rule,
        cones_of_one=make_cone(lower),
        rule_of_one=rule.in_one_axis(),
        scale=student_scale_rule(dof, n_scales).astype(_SINGLE),
    )


def log_class_probabilities(predictive: ProbitPredictive, vectors: FloatArray) -> FloatArray:
    """Natural logarithm of each class's probability, shape (n_classes × n_trials).

    Each class is integrated on its own, so that the probabilities sum to 1 to the accuracy of the rule.

    Args:
        predictive: The prepared predictive.
        vectors: Shape (n_trials × n_features).
    """
    n_trials, n_features = vectors.shape
    if n_trials == 1:
        return _log_probabilities_of_one(predictive, vectors[0])[:, None]
    projected = multiply_blocked(predictive.directions, vectors.T - predictive.centre[:, None])
    projected += predictive.offsets[:, None]
    white, margins = projected[: n_features + 1], projected[n_features + 1 :]
    white *= white
    variances = np.add.reduce(white)
    variances += 1.0
    margins /= np.sqrt(variances, out=variances)
    n_latent = len(predictive.cones.heights)
    mean = margins.astype(_SINGLE).reshape(n_latent, -1, n_trials)
    each = predictive.rule.weights.size * predictive.scale.squares.size * mean.shape[1]
    at_once = max(1, _PIECE_NUMBERS // each)
    log_probabilities = np.empty(mean.shape[1:])
    for block in blocks(n_trials, most=at_once):
        log_probabilities[:, block] = log_student_probability(
            mean[..., block], predictive.cones, predictive.rule, predictive.scale
        )
    return log_probabilities


def _log_probabilities_of_one(predictive: ProbitPredictive, vector: FloatArray) -> FloatArray:
    """As `log_class_probabilities` for one trial, with as few steps as possible; shape (n_classes,)."""
    cones, n_inputs = predictive.cones_of_one, len(vector) + 1
    projected = predictive.directions @ (vector - predictive.centre)
    projected += predictive.offsets
    white, margins = projected[:n_inputs], projected[n_inputs:]
    margins /= math.sqrt(1.0 + float(white @ white))
    mean = margins.astype(_SINGLE).reshape(cones.heights.shape)
    return log_student_probability(mean, cones, predictive.rule_of_one, predictive.scale).astype(float)
