"""A folder of installed versions of the core."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def core_folder(tmp_path: Path) -> Path:
    """The folder of all versions; it does not exist yet."""
    return tmp_path / "core"
