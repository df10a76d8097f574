"""The bytes of a model file: named arrays, a JSON header and a checksum; nothing in it can run.

    bytes       content
    8           magic, 89 4E 49 4D 42 55 53 0A ("\\x89NIMBUS\\n": text-mode transfers break it visibly)
    4           version of the format, little-endian
    4           length H of the header, little-endian
    8           length P of the payload, little-endian
    H           header: JSON object {"arrays": [{"name", "dtype", "shape"}, …], "model": {…}}, UTF-8
    P           the arrays one after another, C order, little-endian
    32          SHA-256 of all bytes before

Array types are float64 and int64, nothing else. The checksum shows damage; it is no signature and says
nothing about who wrote the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt

from .card import JsonValue
from .errors import ModelFileError

FORMAT_VERSION = 1
MOST_BYTES = 256 * 2**20

_MAGIC = b"\x89NIMBUS\n"
_PREFIX = struct.Struct("<8sIIQ")
_DIGEST_BYTES = 32
_MOST_HEADER_BYTES = 2**20
_MOST_ARRAYS = 64
_MOST_AXES = 4
_TYPES = ("<f8", "<i8")

Array = npt.NDArray[np.float64] | npt.NDArray[np.int64]


def pack(model: Mapping[str, JsonValue], arrays: Mapping[str, Array]) -> bytes:
    """Write a model's JSON facts and arrays as the bytes of a file; the same input gives the same bytes.

    Raises:
        ModelFileError: The model is larger than a file may be, or its facts are not JSON.
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
    if len(body) + _DIGEST_BYTES > MOST_BYTES or len(header) > _MOST_HEADER_BYTES:
        raise ModelFileError(
            f"The model takes {len(body)} bytes with a header of {len(header)}.",
            f"A model file holds at most {MOST_BYTES} bytes, its header {_MOST_HEADER_BYTES}.",
        )
    return body + hashlib.sha256(body).digest()


def unpack(content: bytes) -> tuple[dict[str, JsonValue], dict[str, Array]]:
    """Read the bytes of a model file, whoever wrote them.

    Returns:
        The model's JSON facts, and its arrays by name.

    Raises:
        ModelFileError: Not a model file, of another version, cut short, damaged, or not as described above.
    """
    header_bytes = _check_frame(content)
    header = _parse(content[_PREFIX.size : _PREFIX.size + header_bytes])
    model, listed = header.get("model"), header.get("arrays")
    if not isinstance(model, dict) or not isinstance(listed, list) or len(listed) > _MOST_ARRAYS:
        raise _malformed("its header lacks the model or the list of arrays")
    payload = memoryview(content)[_PREFIX.size + header_bytes : -_DIGEST_BYTES]
    return model, _read_arrays(listed, payload)


def _write_header(content: Mapping[str, JsonValue]) -> bytes:
    try:
        return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as fault:
        raise ModelFileError(
            f"The model's details cannot be written as JSON: {fault}.",
            "Keep to texts, finite numbers, truth values, lists and objects with text keys.",
        ) from None


def _check_frame(content: bytes) -> int:
    if len(content) < _PREFIX.size or not content.startswith(_MAGIC):
        raise ModelFileError("This is not a Nimbus model file.", "Model files are written by save_model().")
    _, version, header_bytes, payload_bytes = _PREFIX.unpack_from(content)
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"The model file has format version {version}; this core reads version {FORMAT_VERSION}.",
            "Update nimbus_sdk_core, or save the model again with this version.",
        )
    expected = _PREFIX.size + header_bytes + payload_bytes + _DIGEST_BYTES
    if header_bytes > _MOST_HEADER_BYTES or expected > MOST_BYTES:
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


def _parse(header: bytes) -> dict[str, JsonValue]:
    try:
        found = json.loads(header, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _malformed("its header is not JSON") from None
    if not isinstance(found, dict):
        raise _malformed("its header is not a JSON object")
    return found


def _no_constant(text: str) -> float:
    raise ValueError(text)


def _read_arrays(listed: list[JsonValue], payload: memoryview) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    start = 0
    for entry in listed:
        name, dtype, shape = _describe(entry)
        count = math.prod(shape)
        if name in arrays or count * 8 > len(payload) - start:
            raise _malformed(f"its array {name!r} is listed twice or longer than the payload")
        read = np.frombuffer(payload, dtype=dtype, count=count, offset=start) if count else np.empty(0, dtype)
        arrays[name] = read.reshape(shape).astype(read.dtype.newbyteorder("="))
        start += count * 8
    if start != len(payload):
        raise _malformed("its payload is longer than its arrays")
    return arrays


def _describe(entry: JsonValue) -> tuple[str, str, tuple[int, ...]]:
    if not isinstance(entry, dict) or set(entry) != {"name", "dtype", "shape"}:
        raise _malformed("an array is not described by name, dtype and shape")
    name, dtype, shape = entry["name"], entry["dtype"], entry["shape"]
    if not isinstance(name, str) or not isinstance(dtype, str) or not isinstance(shape, list):
        raise _malformed("an array is not described by text, text and list")
    if dtype not in _TYPES:
        raise _malformed(f"its array {name!r} has type {dtype!r}, only {' and '.join(_TYPES)} may be")
    if len(shape) > _MOST_AXES or not all(type(n) is int and 0 <= n <= MOST_BYTES for n in shape):
        raise _malformed(f"its array {name!r} has an impossible shape")
    return name, dtype, tuple(cast(list[int], shape))


def _malformed(why: str) -> ModelFileError:
    return ModelFileError(
        f"The model file is malformed: {why}.", "Do not use it; get it from its source again."
    )
