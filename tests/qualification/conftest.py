"""A nursery for all tests of this folder, and a stage for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.nursery import Nursery
from tests.qualification.worlds import Stage, World


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """A warm interpreter that forks children."""
    with Nursery() as warm:
        yield warm


@pytest.fixture
def stage(sandbox: Sandbox, nursery: Nursery, tmp_path: Path) -> Stage:
    """A sandbox, a nursery and a folder for worlds."""
    return Stage(tmp_path, sandbox, nursery)


@pytest.fixture
def world(stage: Stage) -> World:
    """One empty world."""
    return stage.world()
