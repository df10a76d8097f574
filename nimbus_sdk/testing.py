"""pytest fixtures for programs that use the SDK: a sandbox, a key, and a home of their own.

pytest finds them by itself once ``nimbusbci-sdk[sandbox]`` is installed::

    def test_my_program(nimbus_sandbox, nimbus_key):
        session = nimbus_sdk.install_core(nimbus_key)
        assert session.license_type == "research"
        nimbus_sandbox.fault("refresh", status=503)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nimbus_sdk.sandbox import Sandbox


@pytest.fixture(scope="session")
def nimbus_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the sandbox's core is built once for all tests."""
    return tmp_path_factory.getbasetemp().parent / "nimbus-wheels"


@pytest.fixture
def nimbus_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the SDK keeps everything during one test, keys in a file within."""
    from nimbus_sdk.session_in_use import forget_memory

    home = tmp_path / "nimbus-home"
    monkeypatch.setenv("NIMBUS_SDK_HOME", str(home))
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "file")
    for name in ("NIMBUS_API_KEY", "NIMBUS_SDK_API_KEY_FILE", "NIMBUS_SDK_PROFILE", "NIMBUS_SDK_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    forget_memory()
    return home


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
