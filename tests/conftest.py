"""No test touches the user's own account, leaves this machine, or sees another test's settings."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nimbus_sdk.account.session_lookup import clear_cache
from nimbus_sdk.sandbox import Sandbox
from tests.support.examples import load_profile
from tests.support.isolation import isolate
from tests.support.raw_server import Ender, vacated

isolate()
pytest_plugins = [f"tests.support.{name}" for name in ("flows", "forked", "networks", "sessions")]

load_profile()

LONG = ("qualification", "docs")
# They fork, use Unix sockets or terminals, or change owners and permissions.
POSIX_ONLY = (
    "homes/*",
    "qualification/*",
    "cli/demo/*",
    "security/test_permissions.py",
    "security/test_dumps.py",
)
collect_ignore_glob = list(POSIX_ONLY) if os.name == "nt" else []
_homes = count()

# What is made while the tests are collected stays until the end: looking for garbage in it takes long.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from now on, in what the tests make."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests come first, so that none is left to one process while the others have nothing to do."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(report: pytest.TestReport) -> Generator[None, Any, Any]:
    """Send less to the process that counts: of what has passed, nobody reads the keywords."""
    data = yield
    if data is not None and getattr(report, "passed", False):
        data["keywords"] = {}
    return data


@pytest.fixture(autouse=True)
def isolated_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Every test has an empty home."""
    home = tmp_path_factory.getbasetemp() / f"home-{next(_homes)}"
    for folder in ("user", "work", "nimbus"):
        (home / folder).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home / "user"))
    monkeypatch.setenv("NIMBUS_SDK_HOME", str(home / "nimbus"))
    # Otherwise matplotlib would look at every font of the system once for each home.
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.getbasetemp().parent / "matplotlib"))
    monkeypatch.chdir(home / "work")
    clear_cache()
    yield home
    clear_cache()
    # A process that is about to end may still write there.
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def end() -> Iterator[Ender]:
    """Ends a sandbox and reserves its address until the test is over."""
    with ExitStack() as paths:
        yield lambda sandbox: paths.enter_context(vacated(sandbox))


@pytest.fixture(scope="session")
def wheel_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reference core's wheel is built once for all tests."""
    return tmp_path_factory.getbasetemp().parent / "wheels"


@pytest.fixture
def sandbox(
    request: pytest.FixtureRequest, wheel_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    """A running sandbox without limits a minute, to which this process's settings point.

    It serves the reference core, or a tiny one for modules that are marked ``tiny_core``.
    """
    unlimited = dict.fromkeys(("validate", "refresh", "revoke", "github_token", "models", "analytics"))
    tiny = request.node.get_closest_marker("tiny_core") is not None
    source = request.getfixturevalue("tiny_core") if tiny else None
    with Sandbox(core_source=source, wheel_dir=wheel_dir, limits=unlimited) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def key(sandbox: Sandbox) -> str:
    """A research key that the sandbox knows."""
    return sandbox.new_key("research")


Fresh = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def fresh(isolated_home: Path) -> Fresh:
    """Runs code in a fresh process with this test's environment; keyword arguments add to it."""

    def run(
        code: str, *, timeout: float = 60, check: bool = True, stdin: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env={**os.environ, **environ},
            cwd=isolated_home / "work",
            capture_output=True,
            input=stdin,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    return run
