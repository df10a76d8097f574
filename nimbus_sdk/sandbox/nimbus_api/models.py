"""The pre-trained models that the sandbox lists and serves, read from a ``registry.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

_FIELDS = ("name", "version", "type", "paradigm", "n_features", "n_classes", "requires_license", "metadata")
_BYTES_PER_MB = 1_000_000


class Model(NamedTuple):
    """One model: its file, the file's SHA-256, and its row of the list without the link."""

    path: Path
    sha256: str
    row: dict[str, Any]


def read_models(folder: Path) -> dict[str, Model]:
    """Return by name the models of a folder with a ``registry.json``; none if it has none.

    Raises:
        ValueError: The registry is not JSON.
        KeyError: A row lacks a field.
    """
    registry = folder / "registry.json"
    if not registry.is_file():
        return {}
    return {
        model["name"]: Model(
            folder / model["file"],
            model["sha256"],
            {
                **{field: model[field] for field in _FIELDS},
                "size_mb": round(model["size"] / _BYTES_PER_MB, 6),
                "checksum": f"sha256:{model['sha256']}",
            },
        )
        for model in json.loads(registry.read_text(encoding="utf-8"))["models"]
    }
