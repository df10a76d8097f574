"""A model as the content of a file, and back."""

from dataclasses import asdict, fields
from typing import Any, cast

import numpy as np

from .arrays import LabelArray
from .card import JsonValue, ModelCard
from .container import Array, pack, unpack
from .decoder import Decoder
from .errors import CoreDataError, ModelFileError, NimbusCoreError, NotTrainedError
from .kinds import KINDS, kind_name
from .labels import as_labels
from .metadata import BCIMetadata


def to_bytes(model: Decoder) -> bytes:
    """Write a trained model as the bytes of a ``.nimbus`` file.

    Raises:
        NotTrainedError: Not trained, or trained by ``fit`` alone, without the metadata of its data.
    """
    arrays = model.arrays()
    if model.card is None:
        raise NotTrainedError(
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


def from_bytes(content: bytes) -> Decoder:
    """Read a trained model from the bytes of a ``.nimbus`` file, whoever wrote them.

    Raises:
        ModelFileError: The file is damaged, or what it says makes no model.
    """
    facts, arrays = unpack(content)
    try:
        # Numbers that are finite, and yet too large or small to reckon with, are no trained model's.
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            return _model(facts, arrays)
    except CoreDataError as fault:
        raise _malformed(fault.message) from None
    except NimbusCoreError:
        raise
    except (ArithmeticError, ValueError) as fault:
        raise _malformed(f"its numbers are out of range ({fault}).") from None


def _malformed(why: str) -> ModelFileError:
    return ModelFileError(
        f"The model file is malformed: {why}", "Do not use it; get it from its source again."
    )


def _model(facts: dict[str, JsonValue], arrays: dict[str, Array]) -> Decoder:
    kind = _text(facts, "kind")
    if kind not in KINDS:
        raise ModelFileError(f"The model file holds a {kind!r}.", f"This core knows {', '.join(KINDS)}.")
    hyper = _exactly(facts, "hyper", set(KINDS[kind]().hyper))
    model = KINDS[kind](**hyper)
    model.restore(_classes(facts), {name: array.astype(np.float64) for name, array in arrays.items()})
    metadata = BCIMetadata(**_exactly(facts, "metadata", {field.name for field in fields(BCIMetadata)}))
    details = _object(facts, "details")
    model.card = ModelCard(_text(facts, "name"), metadata, _text(facts, "description"), details)
    _check_whole(model, metadata)
    return model


def _check_whole(model: Decoder, metadata: BCIMetadata) -> None:
    found = (model.n_features_in_, len(model.classes_))
    if found != (metadata.n_features, metadata.n_classes):
        raise CoreDataError(
            f"The arrays are for {found[0]} features and {found[1]} classes, the metadata say "
            f"{metadata.n_features} and {metadata.n_classes}.",
            "",
        )


def _classes(facts: dict[str, JsonValue]) -> LabelArray:
    listed = facts.get("classes")
    if not isinstance(listed, list):
        raise CoreDataError("classes is not a list.", "")
    classes = as_labels(cast(list[int], listed))
    if len(classes) < 2 or not np.array_equal(np.unique(classes), classes):
        raise CoreDataError("The classes are not sorted, or repeat.", "")
    return classes


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
