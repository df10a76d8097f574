"""The tests of this folder, all of them long, are not even imported in the default run."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the folder unless other tests than those of the default run are selected."""
    return True if config.getoption("markexpr") == "not qualification" else None
