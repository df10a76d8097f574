"""What every model kind does in the same way: parameters, reading vectors, labels, score, appearance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .._sklearn import not_trained
from .._types import FloatArray, LabelArray
from ..data.training_set import as_labels_of, as_matrix
from ..errors import CoreDataError
from .protocol import Decoder, as_it_is
from .scoring import log_posteriors, posteriors

HyperValue: TypeAlias = npt.ArrayLike | None


class Estimator(Decoder, Protocol):
    """A model kind as the functions of this module know it."""

    parameters: ClassVar[tuple[str, ...]]


def get_params(model: Estimator) -> dict[str, HyperValue]:
    """The constructor's parameters by name, as they were given."""
    return {name: getattr(model, name) for name in model.parameters}


def set_params(model: Estimator, params: Mapping[str, HyperValue]) -> None:
    """Change constructor parameters; what was learned stays.

    Raises:
        CoreDataError: There is no such parameter.
    """
    for name, value in params.items():
        if name not in model.parameters:
            raise CoreDataError(
                f"{type(model).__name__} has no parameter {name!r}.", f"It has {', '.join(model.parameters)}."
            )
        setattr(model, name, value)


def plain(value: float) -> float:
    """The Python number for a NumPy one; anything else as it is, for others to judge."""
    if isinstance(value, np.integer):
        return int(value)
    # By its digits: float32(0.1) is then the 0.1 that a person wrote, and not a little beyond.
    return float(str(value)) if isinstance(value, np.floating) else value


def forget_origin(model: Estimator) -> None:
    """Take the card away from a model that has learned from scratch: it tells of other data."""
    # Only where there is one, as scikit-learn wants no attributes that fit() adds.
    if model.card is not None:
        model.card = None


def read(model: Estimator, vectors: npt.ArrayLike) -> FloatArray:
    """Read vectors for a trained model; their values are not looked at.

    Raises:
        NotTrainedError: Not trained yet.
        CoreDataError: Not a matrix of real numbers, or of another width.
    """
    check_trained(model)
    found = as_matrix(vectors)
    check_width(model, found)
    return found


def check_trained(model: Estimator) -> None:
    """Raise NotTrainedError unless the model was trained."""
    if not hasattr(model, "learned_"):
        raise not_trained(
            f"This {type(model).__name__} is not trained.",
            "Call fit(), train_model() or load_model() first.",
        )


def check_width(model: Estimator, vectors: FloatArray) -> None:
    """Raise CoreDataError where vectors have another length than those the model was trained on."""
    if vectors.shape[1] != model.n_features_in_:
        raise CoreDataError(
            f"X has {vectors.shape[1]} features, but {type(model).__name__} is expecting "
            f"{model.n_features_in_} features as input; found shape {vectors.shape}.",
            "Give the features the model was trained on.",
        )


def most_probable(model: Estimator, vectors: npt.ArrayLike) -> LabelArray:
    """The most probable label of each trial, shape (n_trials,)."""
    model = as_it_is(model)
    best = posteriors(model, read(model, vectors)).argmax(axis=0)
    return np.asarray(model.classes_[best])


def probabilities(model: Estimator, vectors: npt.ArrayLike) -> FloatArray:
    """Posterior probability of each class, shape (n_trials × n_classes)."""
    model = as_it_is(model)
    return posteriors(model, read(model, vectors)).T


def log_probabilities(model: Estimator, vectors: npt.ArrayLike) -> FloatArray:
    """Natural logarithm of each class's posterior probability, shape (n_trials × n_classes)."""
    model = as_it_is(model)
    return log_posteriors(model, read(model, vectors)).T


def accuracy(model: Estimator, vectors: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Share of trials whose most probable label is the given one.

    Raises:
        CoreDataError: No trials, or not as many labels as trials.
    """
    found = most_probable(model, vectors)
    expected = as_labels_of(labels, len(found))
    if not len(found):
        raise CoreDataError("There are no trials to score.", "Give at least one.")
    return float(np.mean(found == expected))


def describe(model: Estimator) -> str:
    """What ``repr`` shows: the parameters of an untrained model, the size and origin of a trained one."""
    kind = type(model).__name__
    if not hasattr(model, "classes_"):
        return f"{kind}({', '.join(f'{name}={value!r}' for name, value in get_params(model).items())})"
    facts = [f"{model.n_features_in_} features", f"{len(model.classes_)} classes"]
    if model.card is not None:
        facts.insert(0, repr(model.card.name))
        facts += ["trained on simulated data"] if model.card.simulated else []
    return f"<{kind} {', '.join(facts)}>"
