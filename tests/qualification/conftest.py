"""Machines for each test; what the default run does not even import."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.machines import Machine, Machines
from tests.support.fork_server import ForkServer

LONG_FOLDERS = ("notebook", "page")
"""All tests in them are long."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip folders of long tests unless other tests than those of the default run are selected."""
    is_default = config.getoption("markexpr") == "not qualification"
    return True if is_default and collection_path.name in LONG_FOLDERS else None


@pytest.fixture
def machines(sandbox: Sandbox, fork_server: ForkServer, tmp_path: Path) -> Machines:
    """Machines of one test, in its folder and on its sandbox."""
    return Machines(tmp_path, sandbox, fork_server)


@pytest.fixture
def machine(machines: Machines) -> Machine:
    """One empty machine."""
    return machines.create()
