"""An installed core, and processes that know of it only through the SDK."""

from __future__ import annotations

import pytest

import nimbus_sdk
from nimbus_sdk.sandbox import Sandbox


@pytest.fixture
def installed(sandbox: Sandbox, key: str) -> nimbus_sdk.AuthSession:
    """The core is installed, under a research license."""
    return nimbus_sdk.install_core(key)


@pytest.fixture
def installed_free(sandbox: Sandbox) -> nimbus_sdk.AuthSession:
    """The core is installed, under a free license."""
    return nimbus_sdk.install_core(sandbox.new_key("free"))
