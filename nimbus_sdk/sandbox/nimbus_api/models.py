"""The pre-trained models that the sandbox lists and serves, read from a ``registry.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIELDS = ("name", "version", "type", "paradigm", "n_features", "n_classes", "requires_license")
_BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its file, the file's SHA-256, and its row of the list without link and checksum."""

    path: Path
    sha256: str
    row: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.row["name"])

    def to_json(self, download_url: str) -> dict[str, object]:
        """Return the row of ``/v1/models/list``."""
        return {**self.row, "download_url": download_url, "checksum": f"sha256:{self.sha256}"}


def read_models(folder: Path) -> list[Model]:
    """Return the models of a folder with a ``registry.json``; none if it has none.

    Raises:
        ValueError: The registry is not JSON.
        KeyError: A row lacks a field.
    """
    registry = folder / "registry.json"
    if not registry.is_file():
        return []
    rows = json.loads(registry.read_text(encoding="utf-8"))["models"]
    return [
        Model(
            folder / row["file"],
            row["sha256"],
            {
                **{field: row[field] for field in _FIELDS},
                "size_mb": round(row["size"] / _BYTES_PER_MB, 6),
                "metadata": row["metadata"],
            },
        )
        for row in rows
    ]
