"""No test touches the user's own account, leaves this machine, or sees another test's settings."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import cache
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

TESTS = Path(__file__).parent
LONG = (
    "docs/*",
    "qualification/*",
    "cli/demo/*",
    "account/test_unreachable_service.py",
    "core/test_dask_workers.py",
    "security/test_dumps.py",
    "storage/test_keyring_hang.py",
    "test_testing.py",
)
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


def pytest_configure(config: pytest.Config) -> None:
    """Let each worker begin with other folders: of a fresh checkout, it compiles its part of the modules."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None and config.args_source is config.ArgsSource.TESTPATHS:
        paths = sorted(str(path.parent) for path in TESTS.glob("*/__init__.py"))
        paths += sorted(map(str, TESTS.glob("test_*.py")))
        first = int(worker.removeprefix("gw")) * len(paths) // _count_workers()
        config.args[:] = paths[first:] + paths[:first]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the part of each worker begin with long tests, so that none of these is left to the end."""
    items.sort(key=lambda item: item.path)
    number, workers = len(items), _count_workers()
    long = [item for item in items if _is_long(item.path)]
    short = [item for item in items if not _is_long(item.path)]
    items.clear()
    for worker in range(workers):
        own = long[worker::workers]
        # As many tests as a worker is given at first.
        share = (number - len(items)) // (workers - worker)
        rest = max(0, share - len(own))
        items += own + short[:rest]
        del short[:rest]
    items += short


@cache
def _is_long(path: Path) -> bool:
    return any(path.match(pattern) for pattern in LONG)


def _count_workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


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
