"""Machines for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.machines import Machine, Machines
from tests.support.fork_server import ForkServer


@pytest.fixture
def machines(sandbox: Sandbox, fork_server: ForkServer, tmp_path: Path) -> Machines:
    """Machines of one test, in its folder and on its sandbox."""
    return Machines(tmp_path, sandbox, fork_server)


@pytest.fixture
def machine(machines: Machines) -> Machine:
    """One empty machine."""
    return machines.create()
