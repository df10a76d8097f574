"""pytest fixtures for programs that use the SDK: a sandbox, a key, and a home of their own.

pytest finds them by itself once ``nimbusbci-sdk[sandbox]`` is installed::

    def test_my_program(nimbus_sandbox, nimbus_key):
        session = nimbus_sdk.install_core(nimbus_key)
        assert session.license_type == "research"
        nimbus_sandbox.fault("refresh", status=503)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nimbus_sdk.sandbox import Sandbox

_OURS = ("NIMBUS_", "NEUROAI_API_KEY", "NEUROAI_URL", "NEXUS_API_KEY", "NEXUS_URL")
_NOBODY = "http://127.0.0.1:9"
"""The port of a service that throws everything away, and that hardly any machine has."""


@pytest.fixture(scope="session")
def nimbus_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the sandbox's core is built once for all tests."""
    base = tmp_path_factory.getbasetemp()
    # Each worker of pytest-xdist has a folder of its own within that of the run.
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "nimbus-wheels"


@pytest.fixture
def nimbus_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which the SDK keeps everything during one test, keys in a file within.

    No key and no setting of the person's own counts, and no request leaves the machine.
    """
    from nimbus_sdk.account.session_cache import clear_cache
    from nimbus_sdk.config import settings

    for name in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(name)
    home = tmp_path / "nimbus-home"
    monkeypatch.setenv("NIMBUS_SDK_HOME", str(home))
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "file")
    # A key that is found all the same must reach nobody.
    for name in ("NIMBUS_SDK_API_URL", "NIMBUS_SDK_GITHUB_URL"):
        monkeypatch.setenv(name, _NOBODY)
    monkeypatch.setattr(settings, "nearest_dotenv", lambda directory: None)
    clear_cache()
    yield home
    clear_cache()


@pytest.fixture
def nimbus_sandbox(
    nimbus_home: Path, nimbus_wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    """A running sandbox to which the SDK's settings point during one test."""
    from nimbus_sdk.sandbox import Sandbox

    with Sandbox(wheel_dir=nimbus_wheels) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def nimbus_key(nimbus_sandbox: Sandbox) -> str:
    """A research key that the sandbox knows."""
    return nimbus_sandbox.new_key("research")
