"""Reading and checking what Gaussian classes have learned from the arrays of a model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .._types import FloatArray
from ..data.training_set import check_range
from ..errors import CoreDataError
from ..stats.niw import NormalInverseWishart
from ..stats.student_t import Scores
from ..stats.sufficient_statistics import Moments

ARRAYS = ("counts", "precision", "means", "dof", "scatter")
MOMENTS = ("counts", "means", "scatters")

_HINT = "The arrays do not belong to a model of this kind."


def read_posterior(
    arrays: Mapping[str, FloatArray], n_classes: int, n_covariances: int
) -> NormalInverseWishart:
    """Read the posterior of a model with ``n_classes`` classes and ``n_covariances`` covariances.

    Raises:
        CoreDataError: Arrays of other names, shapes or types, or values that no posterior has.
    """
    if set(arrays) != set(ARRAYS) or arrays["means"].ndim != 2:
        raise CoreDataError(f"A posterior has the arrays {', '.join(ARRAYS)}; found {sorted(arrays)}.", _HINT)
    n_features = arrays["means"].shape[1]
    check_arrays(
        arrays,
        {
            "counts": (n_classes,),
            "precision": (n_classes,),
            "means": (n_classes, n_features),
            "dof": (n_covariances,),
            "scatter": (n_covariances, n_features, n_features),
        },
    )
    if (
        (arrays["counts"] < 0).any()
        or (arrays["precision"] <= 0).any()
        or (arrays["dof"] <= n_features - 1).any()
    ):
        raise CoreDataError("A count, a precision or the degrees of freedom are out of range.", _HINT)
    if n_features == 0 or (arrays["scatter"] != arrays["scatter"].transpose(0, 2, 1)).any():
        raise CoreDataError("The scatter is not a symmetric matrix.", _HINT)
    return NormalInverseWishart(**{name: arrays[name] for name in ARRAYS})


def read_moments(arrays: Mapping[str, FloatArray], n_classes: int, n_covariances: int) -> Moments:
    """Read the statistics of a model with ``n_classes`` classes and ``n_covariances`` covariances.

    Raises:
        CoreDataError: Arrays of other names, shapes or types, or values that no vectors have.
    """
    if set(arrays) != set(MOMENTS) or arrays["means"].ndim != 2:
        raise CoreDataError(f"A model has the arrays {', '.join(MOMENTS)}; found {sorted(arrays)}.", _HINT)
    n_features = arrays["means"].shape[1]
    check_arrays(
        arrays,
        {
            "counts": (n_classes,),
            "means": (n_classes, n_features),
            "scatters": (n_covariances, n_features, n_features),
        },
    )
    if (arrays["counts"] < 0).any() or not arrays["counts"].any():
        raise CoreDataError("A count is out of range.", _HINT)
    if n_features == 0 or (arrays["scatters"] != arrays["scatters"].transpose(0, 2, 1)).any():
        raise CoreDataError("The scatter is not a symmetric matrix.", _HINT)
    check_range(arrays["means"])
    return Moments(**{name: arrays[name] for name in MOMENTS})


def check_arrays(arrays: Mapping[str, FloatArray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise CoreDataError unless there are arrays of exactly these names and shapes, float64 and finite."""
    if set(arrays) != set(shapes):
        raise CoreDataError(f"A model has the arrays {', '.join(shapes)}; found {sorted(arrays)}.", _HINT)
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float64:
            raise CoreDataError(
                f"{name} is {arrays[name].dtype} {arrays[name].shape}, expected float64 {shape}.", _HINT
            )
        if not np.isfinite(arrays[name]).all():
            raise CoreDataError(f"{name} holds values that are not finite.", _HINT)


def check_scores(score: Callable[[FloatArray], Scores], centre: FloatArray, deviations: FloatArray) -> None:
    """Raise CoreDataError unless a restored model gives finite scores to ordinary vectors.

    Args:
        score: The model's ``score_trials``.
        centre: The middle of its trials, shape (n_features,).
        deviations: Their standard deviations, roughly, shape (n_features,).
    """
    vectors = np.stack([centre, centre + deviations, np.zeros_like(centre)])
    check_range(vectors)
    with np.errstate(all="ignore"):
        scores = score(vectors)
    if not (np.isfinite(scores.posteriors).all() and np.isfinite(scores.squared_distances).all()):
        raise CoreDataError("Its numbers are out of range: ordinary vectors get no finite posteriors.", _HINT)
