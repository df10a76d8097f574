"""A model as the content of a file, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, cast

import numpy as np

from .arrays import LabelArray
from .card import JsonValue, ModelCard
from .container import Array, pack, unpack
from .decoder import Decoder
from .errors import CoreDataError, ModelFileError, NimbusCoreError
from .kinds import KINDS, kind_name
from .labels import as_labels
from .metadata import BCIMetadata

_LONGEST_LABEL = 256


def to_bytes(model: Decoder) -> bytes:
    """Write a trained model as the bytes of a ``.nimbus`` file, which `from_bytes` is sure to read.

    Raises:
        NotTrainedError: Not trained.
        CoreDataError: Trained by ``fit`` alone, without the metadata of its data.
        ModelFileError: Something of the model was changed since the training, so that no file can hold it.
    """
    content = _write(model)
    try:
        _read(content)
    except NimbusCoreError as fault:
        raise ModelFileError(
            f"This model cannot be saved, because its file would be refused: {fault.message}",
            "Undo what was assigned to it since the training, or train it again.",
        ) from None
    return content


def from_bytes(content: bytes) -> Decoder:
    """Read a trained model from the bytes of a ``.nimbus`` file, whoever wrote them.

    Raises:
        ModelFileError: The file is damaged, or what it says makes no model.
    """
    try:
        return _read(content)
    except CoreDataError as fault:
        raise ModelFileError(
            f"The model file is malformed: {fault.message}", "Do not use it; get it from its source again."
        ) from None


def _write(model: Decoder) -> bytes:
    arrays = model.arrays()
    if model.card is None:
        raise CoreDataError(
            "This model does not know which data it reads, so nobody could use its file.",
            "Train it with train_model(), or set model.card = ModelCard(name, metadata).",
        )
    facts: dict[str, JsonValue] = {
        "kind": kind_name(type(model)),
        "name": model.card.name,
        "description": model.card.description,
        "classes": [item.item() for item in model.classes_],
        "hyper": dict(model.hyper),
        "metadata": asdict(model.card.metadata),
        "details": dict(model.card.details),
    }
    return pack(facts, arrays)


def _read(content: bytes) -> Decoder:
    try:
        # Numbers that are finite, and yet too large or small to reckon with, are no trained model's.
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            return _model(*unpack(content))
    except NimbusCoreError:
        raise
    except MemoryError:
        raise ModelFileError(
            f"The model file of {len(content)} bytes needs more memory than there is.",
            "Close other programs, or read it on a larger machine.",
        ) from None
    except (ArithmeticError, ValueError) as fault:
        raise CoreDataError(f"its numbers are out of range ({fault}).", "") from None


def _model(facts: dict[str, JsonValue], arrays: dict[str, Array]) -> Decoder:
    kind = _text(facts, "kind")
    if kind not in KINDS:
        raise ModelFileError(f"The model file holds a {kind!r}.", f"This core knows {', '.join(KINDS)}.")
    hyper = _exactly(facts, "hyper", set(KINDS[kind]().hyper))
    if not all(_numeric(value) for value in hyper.values()):
        raise CoreDataError("hyper holds values that are neither numbers nor matrices.", "")
    metadata = BCIMetadata(**_exactly(facts, "metadata", {field.name for field in fields(BCIMetadata)}))
    model = KINDS[kind](**hyper)
    floats = {name: array.astype(np.float64, copy=False) for name, array in arrays.items()}
    model.restore(_classes(facts, metadata.n_classes), floats)
    details = _object(facts, "details")
    model.card = ModelCard(_text(facts, "name"), metadata, _text(facts, "description"), details)
    if model.n_features_in_ != metadata.n_features:
        raise CoreDataError(
            f"The arrays are for {model.n_features_in_} features, the metadata say {metadata.n_features}.", ""
        )
    return model


def _classes(facts: dict[str, JsonValue], n_classes: int) -> LabelArray:
    listed = facts.get("classes")
    if not isinstance(listed, list):
        raise CoreDataError("classes is not a list.", "")
    # Before any array is made: one of texts gives every text the room of the longest.
    if len(listed) != n_classes:
        raise CoreDataError(f"There are {len(listed)} classes, the metadata say {n_classes}.", "")
    if not all(_short(item) for item in listed):
        raise CoreDataError(f"A class is no label, or its text exceeds {_LONGEST_LABEL} characters.", "")
    classes = as_labels(cast(list[int], listed))
    if not np.array_equal(np.unique(classes), classes):
        raise CoreDataError("The classes are not sorted, or repeat.", "")
    return classes


def _short(item: JsonValue) -> bool:
    return len(item) <= _LONGEST_LABEL if isinstance(item, str) else isinstance(item, int | float)


def _numeric(value: JsonValue, axes: int = 2) -> bool:
    """Whether this is a number, nothing, or a list of these with so many axes."""
    if isinstance(value, list):
        return axes > 0 and all(_numeric(item, axes - 1) for item in value)
    return value is None or isinstance(value, int | float)


def _text(facts: dict[str, JsonValue], name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str):
        raise CoreDataError(f"{name} is not a text.", "")
    return value


def _object(facts: dict[str, JsonValue], name: str) -> dict[str, JsonValue]:
    value = facts.get(name)
    if not isinstance(value, dict):
        raise CoreDataError(f"{name} is not an object.", "")
    return value


def _exactly(facts: dict[str, JsonValue], name: str, keys: set[str]) -> dict[str, Any]:
    """An object with these keys, for a constructor that checks the values."""
    value = _object(facts, name)
    if set(value) != keys:
        raise CoreDataError(f"{name} has the fields {sorted(value)}, expected {sorted(keys)}.", "")
    return value
