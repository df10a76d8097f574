"""pytest fixtures for programs that use the SDK: a sandbox, a key, and a home folder.

pytest loads them automatically once ``nimbusbci-sdk[sandbox]`` is installed::

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

_VARIABLES = ("NIMBUS_", "NEUROAI_API_KEY", "NEUROAI_URL", "NEXUS_API_KEY", "NEXUS_URL")
_UNREACHABLE = "http://127.0.0.1:9"
"""Port 9 is reserved for the discard service, which hardly any machine runs."""


@pytest.fixture(scope="session")
def nimbus_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the sandbox's core is built once for all tests."""
    base = tmp_path_factory.getbasetemp()
    # Each worker of pytest-xdist has its own folder inside that of the run.
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "nimbus-wheels"


@pytest.fixture
def nimbus_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an empty folder in which the SDK stores everything during one test, keys in a file.

    The keys and settings of the user have no effect, and no request leaves the machine.
    """
    from nimbus_sdk.account.session_lookup import clear_cache
    from nimbus_sdk.config import settings

    for name in [name for name in os.environ if name.startswith(_VARIABLES)]:
        monkeypatch.delenv(name)
    home = tmp_path / "nimbus-home"
    monkeypatch.setenv("NIMBUS_SDK_HOME", str(home))
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "file")
    # A key that is found nevertheless must not be sent anywhere.
    for name in ("NIMBUS_SDK_API_URL", "NIMBUS_SDK_GITHUB_URL"):
        monkeypatch.setenv(name, _UNREACHABLE)
    monkeypatch.setattr(settings, "find_dotenv", lambda directory: (None, None))
    clear_cache()
    yield home
    clear_cache()


@pytest.fixture
def nimbus_sandbox(
    nimbus_home: Path, nimbus_wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    """Run a sandbox to which the SDK's settings point during one test."""
    from nimbus_sdk.sandbox import Sandbox

    with Sandbox(wheel_dir=nimbus_wheels) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def nimbus_key(nimbus_sandbox: Sandbox) -> str:
    """Return a research key that is valid in the sandbox."""
    return nimbus_sandbox.new_key("research")
