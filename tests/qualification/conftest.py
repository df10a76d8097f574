"""Machines for each test; what the default run does not even import."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.machines import Machine, Machines
from tests.support.fork_server import ForkServer

LONG_FOLDERS = ("networks", "notebook", "page")
"""All tests in them are long."""

_ALL_LONG = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.qualification\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip folders and modules of long tests if they would be deselected: importing them takes long."""
    if config.getoption("markexpr") != "not qualification":
        return None
    if collection_path.suffix == ".py":
        is_long = _ALL_LONG.search(collection_path.read_text(encoding="utf-8")) is not None
    else:
        is_long = collection_path.name in LONG_FOLDERS
    return is_long or None


@pytest.fixture
def machines(sandbox: Sandbox, fork_server: ForkServer, tmp_path: Path) -> Machines:
    """Machines of one test, in its folder and on its sandbox."""
    return Machines(tmp_path, sandbox, fork_server)


@pytest.fixture
def machine(machines: Machines) -> Machine:
    """One empty machine."""
    return machines.create()
