"""What NimbusProbit has learned, as arrays of a model file and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray
from .conjugate import NormalInverseWishart
from .errors import CoreDataError
from .regression import LatentRegression
from .stored import ARRAYS, as_posterior, check_arrays

_USUAL = "usual_"


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
