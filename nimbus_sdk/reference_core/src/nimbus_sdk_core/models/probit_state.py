"""The trained state of NimbusProbit, its arrays, and a warning if learning ended too early."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .._sklearn import caller_stacklevel
from .._types import FloatArray, LabelArray
from ..errors import CoreDataError
from ..stats.niw import NormalInverseWishart
from ..stats.student_t import Predictive, class_shares, prepare_predictive
from .model_card import JsonValue
from .niw_arrays import ARRAYS, check_arrays, read_posterior
from .probit_predictive import ProbitPredictive, prepare_probit_predictive
from .probit_regression import LatentRegression, RegressionFit

# If less moves after 100 iterations, probabilities under the default prior are final to 0.02 in all measured
# problems. Under a prior a hundred times weaker they may still be far from final.
_MOVING = 3e-4

_MARGINAL = "marginal_"


class ConvergenceWarning(UserWarning):
    """Learning ended while the posterior still moved."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbitPosterior:
    """Everything that NimbusProbit has learned.

    Attributes:
        centre: Mean of each feature at the first training, shape (n_features,).
        scale: Standard deviation of each feature then, shape (n_features,).
        counts: Trials of each class, shape (n_classes,).
        regression: Beliefs on coefficients and noise.
        marginal: One Gaussian for all trials, by which distances are measured.
    """

    centre: FloatArray
    scale: FloatArray
    counts: FloatArray
    regression: LatentRegression
    marginal: NormalInverseWishart


@dataclass(frozen=True, slots=True, eq=False)
class ProbitState:
    """Everything a training has learned: replaced as a whole, so that no thread sees half of it.

    Attributes:
        classes: The labels, sorted, shape (n_classes,).
        posterior: What was learned.
        predictive: The predictive of its regression.
        marginal: The predictive of its one Gaussian for all trials.
        dof: Degrees of freedom of that for each class, shape (n_classes,).
        priors: Probability of each class before its trial is seen, shape (n_classes,).
        hyper: The hyper-parameters of the training.
        n_iterations: Iterations of the last training, if known.
    """

    classes: LabelArray
    posterior: ProbitPosterior
    predictive: ProbitPredictive
    marginal: Predictive
    dof: FloatArray
    priors: FloatArray
    hyper: Mapping[str, JsonValue]
    n_iterations: int | None

    @property
    def n_features(self) -> int:
        """Length of the vectors that were learned from."""
        return len(self.posterior.centre)


def prepare_state(
    classes: LabelArray,
    posterior: ProbitPosterior,
    hyper: Mapping[str, JsonValue],
    n_iterations: int | None = None,
) -> ProbitState:
    """Prepare the predictives of a posterior.

    Raises:
        CoreDataError: A matrix is not positive definite in floating point.
    """
    predictive = prepare_probit_predictive(posterior.regression, posterior.centre, posterior.scale)
    marginal, priors = prepare_predictive(posterior.marginal), class_shares(posterior.counts)
    dof = marginal.dof.repeat(len(classes))
    return ProbitState(classes, posterior, predictive, marginal, dof, priors, hyper, n_iterations)


def warn_if_moving(fitted: RegressionFit) -> None:
    """Warn the caller of this package if the last iteration still changed the posterior."""
    if fitted.last_step > _MOVING:
        warnings.warn(
            f"After {fitted.n_iterations} iterations the posterior still moves, by {fitted.last_step:.1g} "
            "standard deviations of the noise in the last one: probabilities are not final. Give more "
            "iterations, or a larger W_beta.",
            ConvergenceWarning,
            stacklevel=caller_stacklevel(),
        )


def standardize(centre: FloatArray, scale: FloatArray, vectors: FloatArray) -> FloatArray:
    """Build the inputs of the regression: a row of ones and the standardised features.

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
    """Return the posterior as named arrays."""
    regression = posterior.regression
    return {
        "centre": posterior.centre,
        "scale": posterior.scale,
        "counts": posterior.counts,
        "coefficients": regression.coefficients,
        "coefficient_precision": regression.precision,
        "noise_dof": np.array([regression.dof]),
        "noise_scatter": regression.scatter,
        **{_MARGINAL + name: getattr(posterior.marginal, name) for name in ARRAYS},
    }


def from_arrays(arrays: Mapping[str, FloatArray], n_classes: int) -> ProbitPosterior:
    """Take over what `to_arrays` gave, after checking that it is a posterior.

    Raises:
        CoreDataError: Arrays of other names, shapes or types, or values that no posterior has.
    """
    of_marginal = {
        name.removeprefix(_MARGINAL): array for name, array in arrays.items() if name.startswith(_MARGINAL)
    }
    marginal = read_posterior(of_marginal, 1, 1)
    n_features, n_latent = marginal.means.shape[1], n_classes - 1
    shapes: dict[str, tuple[int, ...]] = {
        "centre": (n_features,),
        "scale": (n_features,),
        "counts": (n_classes,),
        "coefficients": (n_features + 1, n_latent),
        "coefficient_precision": (n_features + 1, n_features + 1),
        "noise_dof": (1,),
        "noise_scatter": (n_latent, n_latent),
    }
    own = {name: array for name, array in arrays.items() if not name.startswith(_MARGINAL)}
    check_arrays(own, shapes)
    _check_values(own, n_latent)
    regression = LatentRegression(
        own["coefficients"], own["coefficient_precision"], float(own["noise_dof"][0]), own["noise_scatter"]
    )
    return ProbitPosterior(own["centre"], own["scale"], own["counts"], regression, marginal)


def _check_values(arrays: Mapping[str, FloatArray], n_latent: int) -> None:
    hint = "The arrays do not belong to a model of this kind."
    if (arrays["scale"] <= 0).any() or (arrays["counts"] < 0).any() or arrays["noise_dof"][0] <= n_latent - 1:
        raise CoreDataError("A scale, a count or the degrees of freedom are out of range.", hint)
    for name in ("coefficient_precision", "noise_scatter"):
        if not np.array_equal(arrays[name], arrays[name].T):
            raise CoreDataError(f"{name} is not a symmetric matrix.", hint)
