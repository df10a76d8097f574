"""A running sandbox, a plain HTTP client, a clock that tests set, and a tiny core to build."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.support.sandbox_requests import REPOSITORY

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
NOON = 1_761_912_000.0  # 2025-10-31T12:00:00Z: twelve hours before quotas are reset

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


class ManualClock:
    """Returns Unix seconds that change only when a test sets them."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    """A clock at 2025-10-31T12:00:00Z."""
    return ManualClock()


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
def sandbox(clock: ManualClock, core_source: Path) -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with Sandbox(clock=clock, core_source=core_source) as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that follows no redirect and ignores the environment and all certificates."""
    # The sandbox speaks plain HTTP; httpx would spend 30 ms a test on reading the system's certificates.
    with httpx.Client(trust_env=False, timeout=10, verify=NO_CERTIFICATES) as client:
        yield client


@pytest.fixture
def control(sandbox, http):
    """Call a control route with the token."""

    def call(method, path, **options):
        headers = {"Authorization": f"Bearer {sandbox.control_token}"}
        return http.request(method, f"{sandbox.api_url}/_sandbox/{path}", headers=headers, **options)

    return call


@pytest.fixture
def asset(sandbox, http):
    """The wheel's entry in the release, the release's URL and the headers that fetch it."""
    token = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()["github_token"]
    auth = {"Authorization": f"Bearer {token}", "Accept": "application/octet-stream"}
    release = f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest"
    return http.get(release, headers=auth).json()["assets"][0], release, auth


@pytest.fixture
def link(sandbox, http):
    """A signed link to the wheel of the latest release."""
    token = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()["github_token"]
    auth = {"Authorization": f"Bearer {token}"}
    release = http.get(f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest", headers=auth).json()
    asset = release["assets"][0]["url"]
    return http.get(asset, headers={**auth, "Accept": "application/octet-stream"}).headers["location"]
