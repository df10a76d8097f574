"""Decoder: the interface of all model kinds to training, prediction and model files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self, TypeVar

import numpy.typing as npt

from .._types import FloatArray, LabelArray
from ..stats.student_t import Scores
from .model_card import JsonValue, ModelCard


class Reader(Protocol):
    """What reads trials: a decoder, or a pipeline that ends in one."""

    @property
    def card(self) -> ModelCard | None:
        """Name and origin, and the metadata of what it reads."""
        ...

    @property
    def classes_(self) -> LabelArray:
        """The labels, sorted."""
        ...

    @property
    def n_features_in_(self) -> int:
        """Length of the first axis of what it reads."""
        ...


class Decoder(Protocol):
    """A model kind: `NimbusLDA`, `NimbusQDA`, `NimbusProbit`, and any other class with these names."""

    card: ModelCard | None

    @property
    def classes_(self) -> LabelArray:
        """The labels, sorted; no such attribute before the training."""
        ...

    @property
    def n_features_in_(self) -> int:
        """Length of the vectors that the trained model reads."""
        ...

    @property
    def priors_(self) -> FloatArray:
        """Probability of each class before its trial is seen, shape (n_classes,)."""
        ...

    @property
    def hyper(self) -> Mapping[str, JsonValue]:
        """The hyper-parameters by name, as the constructor takes them, without those of the learning.

        Of a trained model those of its training, whatever is set for the next one.
        """
        ...

    def get_params(self, deep: bool = True) -> dict[str, npt.ArrayLike | None]:
        """The constructor's parameters by name; ``iterations`` among them if learning is iterative."""
        ...

    def set_params(self, **params: npt.ArrayLike | None) -> Self:
        """Change parameters for the next learning."""
        ...

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn from scratch."""
        ...

    def partial_fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Continue learning."""
        ...

    def score_trials(self, X: npt.ArrayLike) -> Scores:  # noqa: N803
        """Log posteriors and distances of every trial to every class."""
        ...

    def arrays(self) -> dict[str, FloatArray]:
        """What was learned, as named arrays."""
        ...

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over what `arrays` gave; raise CoreDataError if it is not valid."""
        ...


M = TypeVar("M", bound=Decoder)


def snapshot(model: M) -> M:
    """Return a shallow copy of the model, which does not change if another thread trains the model."""
    copied: M = object.__new__(type(model))
    copied.__dict__.update(vars(model))
    return copied
