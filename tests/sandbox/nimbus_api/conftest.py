"""A registry of models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A registry of two models, one free and one for research."""
    rows = []
    for name, paradigm, kind, tier in (
        ("motor_imagery_4class_v1", "motor_imagery", "NimbusLDA", "free"),
        ("p300_binary_v1", "p300", "NimbusQDA", "research"),
    ):
        data = name.encode() * 1000
        (tmp_path / f"{name}.nimbus").write_bytes(data)
        rows.append(
            {
                "name": name,
                "version": "1.0.0",
                "type": kind,
                "paradigm": paradigm,
                "n_features": 16,
                "n_classes": 4,
                "requires_license": tier,
                "file": f"{name}.nimbus",
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "metadata": {"simulated": True},
            }
        )
    (tmp_path / "registry.json").write_text(json.dumps({"models": rows}))
    return tmp_path
