"""The prior of NimbusProbit from its hyper-parameters, each automatic where it is not given."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray
from .errors import CoreDataError
from .metadata import positive_number
from .regression import LatentRegression

# A coefficient of standardised features is then normal with deviation 0.58, in units of the latent noise:
# classes may well be ten deviations apart along one feature, but need evidence for it.
_FEATURE_PRECISION = 3.0
_CONSTANT_PRECISION = 0.01


@dataclass(frozen=True, slots=True)
class ProbitHyper:
    """Hyper-parameters as a person gives them; None where they are to be automatic.

    Attributes:
        xi_beta: Prior mean of the coefficients: a number for all, or (n_features + 1 × n_classes - 1).
        W_beta: Their prior precision: a number for all features, or (n_features + 1 × n_features + 1).
        W_df: Degrees of freedom of the noise precision's Wishart prior.
        W_scale: Its scale: a number for its diagonal, or (n_classes - 1 × n_classes - 1).
    """

    xi_beta: npt.ArrayLike | None
    W_beta: npt.ArrayLike | None
    W_df: float | None
    W_scale: npt.ArrayLike | None


def probit_prior(hyper: ProbitHyper, n_features: int, n_classes: int) -> LatentRegression:
    """Build the prior for so many features and classes.

    Automatic are: mean 0 and precision 3 for the coefficients of standardised features (0.01 for the
    constant), degrees of freedom n_classes + 1, the first whole number for which the noise has an expected
    covariance (Imai and van Dyk, 2005, advise small numbers too), and a scale that makes the identity the
    expected precision. All of these treat the classes alike.

    Raises:
        CoreDataError: A hyper-parameter of another kind, shape or range; the message names it.
    """
    n_inputs, n_latent = n_features + 1, n_classes - 1
    dof = n_classes + 1.0 if hyper.W_df is None else positive_number("W_df", hyper.W_df)
    if not dof > n_latent - 1:
        raise CoreDataError(
            f"W_df is {dof:g}.", f"{n_classes} classes need more than {n_latent - 1} degrees of freedom."
        )
    scale = _scale(1.0 / dof if hyper.W_scale is None else hyper.W_scale, n_latent)
    return LatentRegression(
        coefficients=_mean(0.0 if hyper.xi_beta is None else hyper.xi_beta, (n_inputs, n_latent)),
        precision=_precision(_FEATURE_PRECISION if hyper.W_beta is None else hyper.W_beta, n_inputs),
        dof=dof,
        scatter=np.asarray(np.linalg.inv(scale), dtype=np.float64),
    )


def _mean(given: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    found = _numbers("xi_beta", given, shape)
    return np.array(np.broadcast_to(found, shape))


def _precision(given: npt.ArrayLike, n_inputs: int) -> FloatArray:
    found = _numbers("W_beta", given, (n_inputs, n_inputs))
    if found.ndim == 2:
        return _positive_definite("W_beta", found)
    return np.diag([_CONSTANT_PRECISION] + [positive_number("W_beta", float(found))] * (n_inputs - 1))


def _scale(given: npt.ArrayLike, n_latent: int) -> FloatArray:
    found = _numbers("W_scale", given, (n_latent, n_latent))
    if found.ndim == 2:
        return _positive_definite("W_scale", found)
    return positive_number("W_scale", float(found)) * np.eye(n_latent)


def _numbers(name: str, given: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    hint = f"Give a number, an array of shape {shape}, or None."
    try:
        found = np.asarray(given)
    except ValueError:
        raise CoreDataError(f"{name} is ragged.", hint) from None
    if found.dtype.kind not in "iuf" or found.shape not in ((), shape):
        raise CoreDataError(f"{name} is of type {found.dtype} and shape {found.shape}.", hint)
    if not np.isfinite(found).all():
        raise CoreDataError(f"{name} holds values that are not finite.", hint)
    return found.astype(np.float64)


def _positive_definite(name: str, found: FloatArray) -> FloatArray:
    try:
        np.linalg.cholesky(found)
    except np.linalg.LinAlgError:
        raise CoreDataError(f"{name} is not positive definite.", "Give a covariance-like matrix.") from None
    if not np.array_equal(found, found.T):
        raise CoreDataError(f"{name} is not symmetric.", "Give 0.5 * (matrix + matrix.T).")
    return found
