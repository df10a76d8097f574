"""A fork server for all tests of this folder, and machines for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.machines import TASKS, Machine, Machines
from tests.support.fork_server import ForkServer


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A warm interpreter that forks child processes."""
    with ForkServer(TASKS) as server:
        yield server


@pytest.fixture
def machines(sandbox: Sandbox, fork_server: ForkServer, tmp_path: Path) -> Machines:
    """Machines of one test, in its folder and on its sandbox."""
    return Machines(tmp_path, sandbox, fork_server)


@pytest.fixture
def machine(machines: Machines) -> Machine:
    """One empty machine."""
    return machines.create()
