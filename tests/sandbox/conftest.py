"""A running sandbox, a plain HTTP client, a clock to turn, and a tiny core to build."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nimbus_sdk.sandbox import Sandbox

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
NOON = 1_761_912_000.0  # 2025-10-31T12:00:00Z: twelve hours before quotas begin anew

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "nimbus_sdk_core"
dynamic = ["version"]
requires-python = ">=3.11"
dependencies = ["numpy>=1.26"]

[tool.hatch.version]
path = "src/nimbus_sdk_core/__init__.py"

[tool.hatch.build.targets.wheel]
packages = ["src/nimbus_sdk_core"]
"""


class TurnableClock:
    """Unix seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        """The moment it stands at."""
        return self.now


@pytest.fixture
def clock() -> TurnableClock:
    """Stands at 2025-10-31T12:00:00Z."""
    return TurnableClock()


@pytest.fixture(scope="session")
def core_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources of a core of three lines."""
    source = tmp_path_factory.mktemp("core_source")
    package = source / "src" / "nimbus_sdk_core"
    package.mkdir(parents=True)
    (source / "pyproject.toml").write_text(PYPROJECT)
    (package / "__init__.py").write_text('"""A tiny core."""\n\n__version__ = "0.1.0"\n')
    return source


@pytest.fixture
def sandbox(clock: TurnableClock, core_source: Path) -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with Sandbox(clock=clock, core_source=core_source) as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that follows no redirect and trusts neither the environment nor any certificate."""
    # The sandbox speaks plain HTTP; httpx would spend 30 ms a test on reading the system's certificates.
    with httpx.Client(trust_env=False, timeout=10, verify=NO_CERTIFICATES) as client:
        yield client


@pytest.fixture
def neuroai(sandbox, http):
    """Calls NeuroAI with a key: method, path below ``/v1``, and what httpx takes."""

    def call(key, method, path, *, headers=None, **options):
        sent = {**({} if key is None else {"Authorization": f"Bearer {key}"}), **(headers or {})}
        return http.request(method, f"{sandbox.neuroai_url}/v1{path}", headers=sent, **options)

    return call


@pytest.fixture
def admin(sandbox):
    """The key of an Administrator."""
    return sandbox.new_neuroai_key(role="Administrator")
