"""An installed reference core, and processes that know of it only through the SDK."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.account.session_lookup import clear_cache
from nimbus_sdk.sandbox import Sandbox

Install = Callable[[str], nimbus_sdk.AuthSession]


@pytest.fixture(scope="session")
def installed_homes(tmp_path_factory: pytest.TempPathFactory, wheel_dir: Path) -> Callable[[str], Path]:
    """Makes a home with the core and a session of a license tier, once for each tier."""
    folder = tmp_path_factory.mktemp("installed-homes")

    def make(tier: str) -> Path:
        home = folder / tier
        if not home.exists():
            with pytest.MonkeyPatch.context() as patched, Sandbox(wheel_dir=wheel_dir) as sandbox:
                for name, value in sandbox.environment().items():
                    patched.setenv(name, value)
                patched.chdir(folder)
                patched.setenv("NIMBUS_SDK_HOME", str(home))
                nimbus_sdk.install_core(sandbox.new_key(tier))
            clear_cache()
        return home

    return make


@pytest.fixture
def install_offline(installed_homes: Callable[[str], Path]) -> Install:
    """Puts the core and a session of a license tier into this test's home; no service is reached."""

    def install(tier: str) -> nimbus_sdk.AuthSession:
        home = os.environ["NIMBUS_SDK_HOME"]
        shutil.rmtree(home)
        shutil.copytree(installed_homes(tier), home)
        clear_cache()
        return nimbus_sdk.current_session()

    return install


@pytest.fixture
def installed(install_offline: Install) -> nimbus_sdk.AuthSession:
    """The core is installed, under a research license."""
    return install_offline("research")


@pytest.fixture
def installed_free(install_offline: Install) -> nimbus_sdk.AuthSession:
    """The core is installed, under a free license."""
    return install_offline("free")
