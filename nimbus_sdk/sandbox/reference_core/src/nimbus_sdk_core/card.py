"""ModelCard: what a person should know of a trained model besides its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .metadata import BCIMetadata

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Name and origin of a trained model.

    Args:
        name: What the model is called.
        metadata: The data it was trained on, and so the data it can read.
        description: Free text.
        details: More facts, as JSON values. ``"simulated": true`` marks models that never saw a brain.
    """

    name: str
    metadata: BCIMetadata
    description: str = ""
    details: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether the model was trained on simulated data."""
        return self.details.get("simulated") is True
