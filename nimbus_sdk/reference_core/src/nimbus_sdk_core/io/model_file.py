"""The format of model files: a header in JSON and arrays, with a checksum.

``to_bytes`` and ``from_bytes`` convert models, ``pack`` and ``unpack`` the header and arrays inside.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, cast

import numpy as np

from .._types import FloatArray, LabelArray
from ..data.labels import read_labels
from ..data.metadata import BCIMetadata
from ..errors import CoreDataError, ModelFileError, NimbusCoreError
from ..models.model_card import JsonValue, ModelCard
from ..models.pipeline import Pipeline
from ..models.protocol import Decoder
from ..models.registry import KINDS, find_kind_name
from .pipeline_file import read_pipeline, split_arrays, write_pipeline
from .version_1 import Array, upgrade_version_1

FORMAT_VERSION = 2
MAX_BYTES = 256 * 2**20

_MAGIC = b"\x89NIMBUS\n"
_PREFIX = struct.Struct("<8sIIQ")
_DIGEST_BYTES = 32
_MAX_HEADER_BYTES = 2**20
_MAX_ARRAYS = 64
_MAX_AXES = 4
_TYPES = ("<f8", "<i8")
_MAX_LABEL_LENGTH = 256


def to_bytes(model: Decoder | Pipeline) -> bytes:
    """Write a trained model or pipeline as the bytes of a file, and check that `from_bytes` reads them.

    Raises:
        NotTrainedError: Not trained.
        CoreDataError: Trained by ``fit`` alone, without the metadata of its data.
        ModelFileError: The model was changed since the training, so that its file would be invalid.
    """
    content = _write_model(model)
    try:
        _read_model(content)
    except NimbusCoreError as error:
        raise ModelFileError(
            f"This model cannot be saved, because its file would be refused: {error.message}",
            "Undo what was assigned to it since the training, or train it again.",
        ) from None
    return content


def from_bytes(content: bytes) -> Decoder | Pipeline:
    """Read a trained model or pipeline from the bytes of a ``.nimbus`` file from any source.

    Raises:
        ModelFileError: The file is damaged, or its content is not a model.
    """
    try:
        return _read_model(content)
    except CoreDataError as error:
        raise ModelFileError(
            f"The model file is malformed: {error.message}", "Do not use it; get it from its source again."
        ) from None


def _write_model(model: Decoder | Pipeline) -> bytes:
    if isinstance(model, Pipeline):
        header, arrays = _describe_decoder(model.model)
        header["pipeline"], added = write_pipeline(model)
        return pack(header, {**arrays, **added})
    return pack(*_describe_decoder(model))


def _describe_decoder(model: Decoder) -> tuple[dict[str, JsonValue], dict[str, FloatArray]]:
    arrays = model.arrays()
    if model.card is None:
        raise CoreDataError(
            "This model has no metadata of its data, so its file could not be used.",
            "Train it with train_model(), or set model.card = ModelCard(name, metadata).",
        )
    header: dict[str, JsonValue] = {
        "kind": find_kind_name(type(model)),
        "name": model.card.name,
        "description": model.card.description,
        "classes": [item.item() for item in model.classes_],
        "hyper": dict(model.hyper),
        "metadata": _describe_metadata(model.card.metadata),
        "details": dict(model.card.details),
    }
    return header, arrays


def _describe_metadata(metadata: BCIMetadata) -> dict[str, JsonValue]:
    described = asdict(metadata)
    # Files without a band are those of earlier versions, byte for byte, and can be read by them.
    return described if metadata.band is not None else {k: v for k, v in described.items() if k != "band"}


def _read_model(content: bytes) -> Decoder | Pipeline:
    try:
        # A trained model has no numbers that overflow in its computations.
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            header, arrays = unpack(content)
            if _read_version(content) < FORMAT_VERSION:
                header, arrays = upgrade_version_1(header, arrays)
            of_decoder, added = split_arrays(
                {name: array.astype(np.float64, copy=False) for name, array in arrays.items()}
            )
            model = _build_model(header, of_decoder)
            if "pipeline" not in header and not added:
                return model
            return read_pipeline(header.get("pipeline"), added, model)
    except NimbusCoreError:
        raise
    except MemoryError:
        raise ModelFileError(
            f"The model file of {len(content)} bytes needs more memory than there is.",
            "Close other programs, or read it on a larger machine.",
        ) from None
    except (ArithmeticError, ValueError) as error:
        raise CoreDataError(f"its numbers are out of range ({error}).", "") from None


def _build_model(header: dict[str, JsonValue], arrays: dict[str, FloatArray]) -> Decoder:
    kind = _read_text(header, "kind")
    if kind not in KINDS:
        raise ModelFileError(f"The model file holds a {kind!r}.", f"This core knows {', '.join(KINDS)}.")
    hyper = _read_fields(header, "hyper", set(KINDS[kind]().hyper))
    if not all(value == "auto" or _is_numeric(value) for value in hyper.values()):
        raise CoreDataError('hyper holds values that are neither numbers nor matrices, nor "auto".', "")
    described = {**header, "metadata": {"band": None, **_read_object(header, "metadata")}}
    metadata = BCIMetadata(
        **_read_fields(described, "metadata", {field.name for field in fields(BCIMetadata)})
    )
    model = KINDS[kind](**hyper)
    model.restore(_read_classes(header, metadata.n_classes), arrays)
    details = _read_object(header, "details")
    model.card = ModelCard(_read_text(header, "name"), metadata, _read_text(header, "description"), details)
    if model.n_features_in_ != metadata.n_features:
        raise CoreDataError(
            f"The arrays are for {model.n_features_in_} features, the metadata say {metadata.n_features}.", ""
        )
    return model


def _read_classes(header: dict[str, JsonValue], n_classes: int) -> LabelArray:
    listed = header.get("classes")
    if not isinstance(listed, list):
        raise CoreDataError("classes is not a list.", "")
    # Checked before an array is made, in which every text takes the space of the longest.
    if len(listed) != n_classes:
        raise CoreDataError(f"There are {len(listed)} classes, the metadata say {n_classes}.", "")
    if not all(_is_short_label(item) for item in listed):
        raise CoreDataError(
            f"A class is not a label, or its text exceeds {_MAX_LABEL_LENGTH} characters.", ""
        )
    classes = read_labels(cast(list[int], listed))
    if not np.array_equal(np.unique(classes), classes):
        raise CoreDataError("The classes are not sorted, or repeat.", "")
    return classes


def _is_short_label(item: JsonValue) -> bool:
    return len(item) <= _MAX_LABEL_LENGTH if isinstance(item, str) else isinstance(item, int | float)


def _is_numeric(value: JsonValue, axes: int = 2) -> bool:
    """Whether this is a number, None, or a list of these with at most ``axes`` axes."""
    if isinstance(value, list):
        return axes > 0 and all(_is_numeric(item, axes - 1) for item in value)
    return value is None or isinstance(value, int | float)


def _read_text(header: dict[str, JsonValue], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str):
        raise CoreDataError(f"{name} is not a text.", "")
    return value


def _read_object(header: dict[str, JsonValue], name: str) -> dict[str, JsonValue]:
    value = header.get(name)
    if not isinstance(value, dict):
        raise CoreDataError(f"{name} is not an object.", "")
    return value


def _read_fields(header: dict[str, JsonValue], name: str, keys: set[str]) -> dict[str, Any]:
    """Read an object with exactly these keys, for a constructor that checks the values."""
    value = _read_object(header, name)
    if set(value) != keys:
        raise CoreDataError(f"{name} has the fields {sorted(value)}, expected {sorted(keys)}.", "")
    return value


def pack(model: Mapping[str, JsonValue], arrays: Mapping[str, Array]) -> bytes:
    """Write a header and arrays as the bytes of a file; the same input gives the same bytes.

    Raises:
        ModelFileError: The model is larger than a file may be, or its header is not JSON.
    """
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    listed: list[JsonValue] = [
        {"name": name, "dtype": array.dtype.newbyteorder("<").str, "shape": list(array.shape)}
        for name, array in ordered.items()
    ]
    content: dict[str, JsonValue] = {"arrays": listed, "model": dict(model)}
    header = _write_header(content)
    payload = b"".join(
        array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in ordered.values()
    )
    body = _PREFIX.pack(_MAGIC, FORMAT_VERSION, len(header), len(payload)) + header + payload
    if len(body) + _DIGEST_BYTES > MAX_BYTES or len(header) > _MAX_HEADER_BYTES:
        raise ModelFileError(
            f"The model takes {len(body)} bytes with a header of {len(header)}.",
            f"A model file holds at most {MAX_BYTES} bytes, its header {_MAX_HEADER_BYTES}.",
        )
    return body + hashlib.sha256(body).digest()


def unpack(content: bytes) -> tuple[dict[str, JsonValue], dict[str, Array]]:
    """Read the header and arrays of a model file from any source.

    Returns:
        The header and the arrays by name.

    Raises:
        ModelFileError: Not a model file, of another version, cut short, damaged, or not as described above.
    """
    header_bytes = _check_frame(content)
    header = _parse_header(content[_PREFIX.size : _PREFIX.size + header_bytes])
    model, listed = header.get("model"), header.get("arrays")
    if not isinstance(model, dict) or not isinstance(listed, list) or len(listed) > _MAX_ARRAYS:
        raise _malformed("its header lacks the model or the list of arrays")
    payload = memoryview(content)[_PREFIX.size + header_bytes : -_DIGEST_BYTES]
    return model, _read_arrays(listed, payload)


def _write_header(content: Mapping[str, JsonValue]) -> bytes:
    try:
        return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"The model's details cannot be written as JSON: {error}.",
            "Use only texts, finite numbers, truth values, lists and objects with text keys.",
        ) from None


def _read_version(content: bytes) -> int:
    return cast(int, _PREFIX.unpack_from(content)[1])


def _check_frame(content: bytes) -> int:
    if len(content) < _PREFIX.size or not content.startswith(_MAGIC):
        raise ModelFileError("This is not a Nimbus model file.", "Model files are written by save_model().")
    _, version, header_bytes, payload_bytes = _PREFIX.unpack_from(content)
    if not 1 <= version <= FORMAT_VERSION:
        raise ModelFileError(
            f"The model file has format version {version}; this core reads versions 1 to {FORMAT_VERSION}.",
            "Update nimbus_sdk_core, or save the model again with this version.",
        )
    expected = _PREFIX.size + header_bytes + payload_bytes + _DIGEST_BYTES
    if header_bytes > _MAX_HEADER_BYTES or expected > MAX_BYTES:
        raise _malformed("it claims to be larger than a model file may be")
    if len(content) != expected:
        raise ModelFileError(
            f"The model file is incomplete: it has {len(content)} bytes, expected {expected}.",
            "Download or copy it again.",
        )
    if hashlib.sha256(memoryview(content)[:-_DIGEST_BYTES]).digest() != content[-_DIGEST_BYTES:]:
        raise ModelFileError(
            "The model file is damaged: its checksum does not match.", "Download or copy it again."
        )
    return cast(int, header_bytes)


def _parse_header(content: bytes) -> dict[str, JsonValue]:
    try:
        parsed = json.loads(content, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise _malformed("its header is not JSON") from None
    if not isinstance(parsed, dict):
        raise _malformed("its header is not a JSON object")
    return parsed


def _reject_constant(text: str) -> float:
    raise ValueError(text)


def _read_arrays(listed: list[JsonValue], payload: memoryview) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    start = 0
    for entry in listed:
        name, dtype, shape = _read_array_entry(entry)
        count = math.prod(shape)
        if name in arrays or count * 8 > len(payload) - start:
            raise _malformed(f"its array {name!r} is listed twice or longer than the payload")
        numbers = (
            np.frombuffer(payload, dtype=dtype, count=count, offset=start) if count else np.empty(0, dtype)
        )
        arrays[name] = numbers.reshape(shape).astype(numbers.dtype.newbyteorder("="))
        start += count * 8
    if start != len(payload):
        raise _malformed("its payload is longer than its arrays")
    return arrays


def _read_array_entry(entry: JsonValue) -> tuple[str, str, tuple[int, ...]]:
    if not isinstance(entry, dict) or set(entry) != {"name", "dtype", "shape"}:
        raise _malformed("an array is not described by name, dtype and shape")
    name, dtype, shape = entry["name"], entry["dtype"], entry["shape"]
    if not isinstance(name, str) or not isinstance(dtype, str) or not isinstance(shape, list):
        raise _malformed("an array is not described by text, text and list")
    if dtype not in _TYPES:
        raise _malformed(f"its array {name!r} has type {dtype!r}, only {' and '.join(_TYPES)} may be")
    if len(shape) > _MAX_AXES or not all(type(n) is int and 0 <= n <= MAX_BYTES for n in shape):
        raise _malformed(f"its array {name!r} has an impossible shape")
    return name, dtype, tuple(cast(list[int], shape))


def _malformed(why: str) -> ModelFileError:
    return ModelFileError(
        f"The model file is malformed: {why}.", "Do not use it; get it from its source again."
    )
