"""ModelCard: name, origin and metadata of a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .._repr import format_html_table
from ..data.argument_checks import describe_kind
from ..data.metadata import BCIMetadata, describe_metadata
from ..errors import CoreTypeError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Name and origin of a trained model.

    Args:
        name: What the model is called.
        metadata: The data it was trained on, and so the data it can read.
        description: Free text.
        details: More facts, as JSON values. ``"simulated": true`` marks models that were trained on
            simulated data, ``"class_names"`` are names for figures, in the order of the sorted labels.

    Raises:
        CoreTypeError: A name or a description that is not a text, or metadata that are not `BCIMetadata`.
    """

    name: str
    metadata: BCIMetadata
    description: str = ""
    details: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("name", self.name), ("description", self.description)):
            if not isinstance(value, str):
                raise CoreTypeError(f"{name} is {value!r}, not a text.", f"Give {name} as a text in quotes.")
        if not isinstance(self.metadata, BCIMetadata):
            raise CoreTypeError(f"metadata is {describe_kind(self.metadata)}.", "Give a BCIMetadata.")

    @property
    def simulated(self) -> bool:
        """Whether the model was trained on simulated data."""
        return self.details.get("simulated") is True

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, if ``details`` hold one text for each."""
        names = self.details.get("class_names")
        if not isinstance(names, list) or len(names) != self.metadata.n_classes:
            return None
        return tuple(map(str, names))

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        about = self.metadata
        summary = [
            ("name", self.name),
            *([("description", self.description)] if self.description else []),
            *([("trained on", "simulated data")] if self.simulated else []),
            ("paradigm", about.paradigm),
            ("features", f"{about.n_features}, {about.feature_type}"),
            ("classes", ", ".join(self.class_names or [str(about.n_classes)])),
        ]
        details = [(name.replace("_", " "), str(value)) for name, value in self.details.items()]
        return format_html_table("ModelCard", summary, [*describe_metadata(about), *details])
