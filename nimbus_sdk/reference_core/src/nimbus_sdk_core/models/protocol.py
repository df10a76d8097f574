"""Decoder: what every model kind offers to training, prediction and model files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self, TypeVar

import numpy.typing as npt

from .._types import FloatArray, LabelArray
from ..stats.student_t import Scores
from .model_card import JsonValue, ModelCard


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
    def hyper(self) -> Mapping[str, JsonValue]:
        """The parameters that belong to the model for good, by name, as the constructor takes them.

        Of a trained model those that it was trained with, whatever is set for the next training.
        """
        ...

    def get_params(self, deep: bool = True) -> dict[str, npt.ArrayLike | None]:
        """The constructor's parameters by name; ``iterations`` among them where learning goes in turns."""
        ...

    def set_params(self, **params: npt.ArrayLike | None) -> Self:
        """Change parameters for the next learning."""
        ...

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn from scratch."""
        ...

    def partial_fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Go on learning."""
        ...

    def score_trials(self, X: npt.ArrayLike) -> Scores:  # noqa: N803
        """Log posteriors and distances of every trial to every class."""
        ...

    def arrays(self) -> dict[str, FloatArray]:
        """What was learned, as named arrays."""
        ...

    def restore(self, classes: LabelArray, arrays: Mapping[str, FloatArray]) -> Self:
        """Take over what `arrays` gave; raise CoreDataError where it cannot be."""
        ...


M = TypeVar("M", bound=Decoder)


def snapshot(model: M) -> M:
    """The model as it is now: what another thread teaches it meanwhile does not reach this one."""
    twin: M = object.__new__(type(model))
    twin.__dict__.update(vars(model))
    return twin
