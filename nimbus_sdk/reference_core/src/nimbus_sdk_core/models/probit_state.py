"""All that NimbusProbit knows once it has learned, and a warning where learning ended too early."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .._sklearn import level_of_caller
from .._types import FloatArray, LabelArray
from ..errors import CoreDataError
from ..stats.niw import NormalInverseWishart
from ..stats.student_t import Predictive, predictive
from .model_card import JsonValue
from .niw_arrays import ARRAYS, as_posterior, check_arrays
from .probit_predictive import ProbitPredictive, probit_predictive
from .probit_regression import Found, LatentRegression

# Where less moves after 100 turns, probabilities under the automatic prior are final to 0.02 in all measured
# problems. Under a prior a hundred times weaker they may still be far from where they end.
_MOVING = 3e-4

_USUAL = "usual_"


class ConvergenceWarning(UserWarning):
    """Learning ended while the posterior still moved."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbitPosterior:
    """Everything that NimbusProbit has learned.

    Attributes:
        centre: Mean of each feature at the first training, shape (n_features,).
        scale: Standard deviation of each feature then, shape (n_features,).
        regression: Beliefs on coefficients and noise.
        usual: One Gaussian for all trials, by which distances are measured.
    """

    centre: FloatArray
    scale: FloatArray
    regression: LatentRegression
    usual: NormalInverseWishart


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """All that a training leaves behind: replaced as a whole, so that no thread sees half of it.

    Attributes:
        classes: The labels, sorted, shape (n_classes,).
        posterior: What was learned.
        ready: The predictive of its regression.
        usual: The predictive of its one Gaussian for all trials.
        hyper: The hyper-parameters that it was trained with.
        turns: How many the last training took, where that is known.
    """

    classes: LabelArray
    posterior: ProbitPosterior
    ready: ProbitPredictive
    usual: Predictive
    hyper: Mapping[str, JsonValue]
    turns: int | None


def learned(
    classes: LabelArray, posterior: ProbitPosterior, hyper: Mapping[str, JsonValue], turns: int | None = None
) -> Learned:
    """Prepare the predictives of a posterior.

    Raises:
        CoreDataError: A matrix is not positive definite in floating point.
    """
    ready, usual = probit_predictive(posterior.regression), predictive(posterior.usual)
    return Learned(classes, posterior, ready, usual, hyper, turns)


def warn_where_it_moves(found: Found) -> None:
    """Warn the caller of this package where the last turn still changed the posterior."""
    if found.moved > _MOVING:
        warnings.warn(
            f"After {found.turns} iterations the posterior still moves, by {found.moved:.1g} standard "
            "deviations of the noise in the last one: probabilities are not final. Give more iterations, or "
            "a larger W_beta.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )


def standardised(centre: FloatArray, scale: FloatArray, vectors: FloatArray) -> FloatArray:
    """The inputs of the regression: a row of ones and the standardised features.

    Args:
        centre: Shape (n_features,).
        scale: Shape (n_features,).
        vectors: Shape (n_trials × n_features).

    Returns:
        Shape (n_features + 1 × n_trials).
    """
    inputs = np.ones((len(centre) + 1, len(vectors)))
    np.subtract(vectors.T, centre[:, None], out=inputs[1:])
    inputs[1:] /= scale[:, None]
    return inputs


def to_arrays(posterior: ProbitPosterior) -> dict[str, FloatArray]:
    """The posterior as named arrays."""
    regression = posterior.regression
    return {
        "centre": posterior.centre,
        "scale": posterior.scale,
        "coefficients": regression.coefficients,
        "coefficient_precision": regression.precision,
        "noise_dof": np.array([regression.dof]),
        "noise_scatter": regression.scatter,
        **{_USUAL + name: getattr(posterior.usual, name) for name in ARRAYS},
    }


def from_arrays(arrays: Mapping[str, FloatArray], n_classes: int) -> ProbitPosterior:
    """Take over what `to_arrays` gave, after checking that it is a posterior.

    Raises:
        CoreDataError: Arrays of other names, shapes or types, or values that no posterior has.
    """
    usual = {name[len(_USUAL) :]: array for name, array in arrays.items() if name.startswith(_USUAL)}
    posterior = as_posterior(usual, 1, 1)
    n_features, n_latent = posterior.means.shape[1], n_classes - 1
    shapes: dict[str, tuple[int, ...]] = {
        "centre": (n_features,),
        "scale": (n_features,),
        "coefficients": (n_features + 1, n_latent),
        "coefficient_precision": (n_features + 1, n_features + 1),
        "noise_dof": (1,),
        "noise_scatter": (n_latent, n_latent),
    }
    own = {name: array for name, array in arrays.items() if not name.startswith(_USUAL)}
    check_arrays(own, shapes)
    _check_values(own, n_latent)
    regression = LatentRegression(
        own["coefficients"], own["coefficient_precision"], float(own["noise_dof"][0]), own["noise_scatter"]
    )
    return ProbitPosterior(own["centre"], own["scale"], regression, posterior)


def _check_values(arrays: Mapping[str, FloatArray], n_latent: int) -> None:
    hint = "The arrays do not belong to a model of this kind."
    if (arrays["scale"] <= 0).any() or arrays["noise_dof"][0] <= n_latent - 1:
        raise CoreDataError("A scale or the degrees of freedom are out of range.", hint)
    for name in ("coefficient_precision", "noise_scatter"):
        if not np.array_equal(arrays[name], arrays[name].T):
            raise CoreDataError(f"{name} is not a symmetric matrix.", hint)
