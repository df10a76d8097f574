"""The pre-trained models that the sandbox lists and serves, read from a ``registry.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_FIELDS = ("name", "version", "type", "paradigm", "n_features", "n_classes", "requires_license")
_BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its row of the list, and its file."""

    name: str
    type: str
    paradigm: str
    requires_license: str
    sha256: str
    path: Path
    row: dict[str, object]

    def to_json(self, download_url: str) -> dict[str, object]:
        """Return the row of ``/v1/models/list``."""
        return {**self.row, "download_url": download_url, "checksum": f"sha256:{self.sha256}"}


def read_models(folder: Path) -> tuple[Model, ...]:
    """Return the models of a folder with a ``registry.json``; none if it has none.

    Raises:
        ValueError: The registry is not JSON.
        KeyError: A row lacks a field.
    """
    registry = folder / "registry.json"
    if not registry.is_file():
        return ()
    rows = json.loads(registry.read_text(encoding="utf-8"))["models"]
    return tuple(_model(folder, row) for row in rows)


def _model(folder: Path, row: dict[str, object]) -> Model:
    size = row["size"]
    if not isinstance(size, int):
        raise ValueError(f"size of model {row['name']} is not a number of bytes")  # noqa: TRY004  the file is wrong, not the caller
    return Model(
        name=str(row["name"]),
        type=str(row["type"]),
        paradigm=str(row["paradigm"]),
        requires_license=str(row["requires_license"]),
        sha256=str(row["sha256"]),
        path=folder / str(row["file"]),
        row={
            **{field: row[field] for field in _FIELDS},
            "size_mb": round(size / _BYTES_PER_MB, 6),
            "metadata": row["metadata"],
        },
    )
