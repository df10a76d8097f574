"""Blocking and awaitable functions behind one name, and fixtures for what they leave on the disk."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

import pytest

import nimbus_sdk
from nimbus_sdk import aio
from nimbus_sdk.account.session_lookup import clear_cache, stored_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core import public_names
from nimbus_sdk.core.wheel import loader, unpack
from nimbus_sdk.core.wheel.manifest import InstalledCore
from nimbus_sdk.core.wheel.protocol import DISTRIBUTION
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.storage import sealed
from nimbus_sdk.transport import retry
from nimbus_sdk.transport.rate_limit import PROCESS_LIMITS
from tests.support.raw_server import Handler, RawServer, serving
from tests.support.wheels import write_core_project

FIRST_INSTALL = ["validate", "github_token", "release", "asset", "storage"]
"""A redirect counts with its asset: four requests."""


TINY_CORE = [pytest.mark.tiny_core, pytest.mark.usefixtures("no_core_loaded", "no_waiting", "probed_once")]
"""For modules whose ``sandbox`` publishes a core that is quick to install; no core is loaded before."""

_probed: set[str] = set()
"""SHA-256 of the wheels whose core was loaded in a process of its own."""


class Sdk:
    """``sdk.install_core(…)`` is the blocking call, or its twin in a loop of its own."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __getattr__(self, name: str) -> Callable[..., object]:
        if self.kind == "sync":
            return getattr(nimbus_sdk, name)
        twin = getattr(aio, name)

        async def main(*given: object, **named: object) -> object:
            return await twin(*given, **named)

        return lambda *given, **named: asyncio.run(main(*given, **named))


def one_of_both(test: Callable[..., object]) -> list[object]:
    """The blocking or the awaitable kind by default, each for about half of the tests.

    They share one definition of what they do; the long run takes every test with both.
    """
    kinds = ["sync", "async"] if crc32(test.__name__.encode()) % 2 else ["async", "sync"]
    return [kinds[0], pytest.param(kinds[1], marks=pytest.mark.qualification)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test one kind of functions, or of client."""
    for fixture in {"sdk", "any_client"} & set(metafunc.fixturenames):
        metafunc.parametrize(fixture, one_of_both(metafunc.function), indirect=True)


@pytest.fixture
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """The blocking or the awaitable functions."""
    return Sdk(request.param)


@pytest.fixture(scope="session")
def tiny_core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of a core that offers every required name and does nothing: quick to install."""
    return write_core_project(tmp_path_factory.mktemp("tiny-core"))


@pytest.fixture(
    params=[
        pytest.param("tiny core", marks=pytest.mark.tiny_core),
        pytest.param("reference core", marks=pytest.mark.qualification),
    ]
)
def either_core(request: pytest.FixtureRequest) -> str:
    """Lets a test use the tiny core, and in the long run the reference core too."""
    core: str = request.param
    return core


@pytest.fixture
def publish(sandbox: Sandbox) -> Callable[[str], object]:
    """Releases another version, the latest from then on."""
    return sandbox.publish


@pytest.fixture
def no_core_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process keeps the core that it has loaded; each test begins as a process that has none."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == DISTRIBUTION}
    finders = list(sys.meta_path)
    monkeypatch.setattr(loader, "_loaded", None)
    monkeypatch.setattr(public_names, "_objects", {})
    for name in before:
        del sys.modules[name]
    cached = _remove_names_of_the_core()
    yield
    _remove_names_of_the_core()
    vars(nimbus_sdk).update(cached)
    # Whatever else was imported meanwhile may have brought a finder of its own, which must stay.
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder in finders or not isinstance(finder, loader._CoreFinder)
    ]
    for name in [name for name in sys.modules if name.partition(".")[0] == DISTRIBUTION]:
        del sys.modules[name]
    sys.modules.update(before)


def _remove_names_of_the_core() -> dict[str, object]:
    """Remove what `nimbus_sdk` remembers of the core's names, and return it."""
    names = [
        name for name in vars(nimbus_sdk) if name in nimbus_sdk.__all__ and name not in nimbus_sdk._MODULES
    ]
    return {name: vars(nimbus_sdk).pop(name) for name in names}


@pytest.fixture
def probed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core of each wheel is loaded in a process of its own once, and not at each install of it."""
    probe = unpack.probe

    def probe_new(core: InstalledCore) -> None:
        if core.sha256 not in _probed:
            probe(core)
            _probed.add(core.sha256)

    monkeypatch.setattr(unpack, "probe", probe_new)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once, and no limit of this process is used up by another test."""
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(retry, "FIRST_DOWNLOAD_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(retry, "SETTLING_WAITS", (0.001, 0.002))
    monkeypatch.setattr(PROCESS_LIMITS, "_buckets", {})


@pytest.fixture
def asked(sandbox: Sandbox) -> Callable[[], list[str]]:
    """What the sandbox was asked since the last look."""

    def look() -> list[str]:
        endpoints = [exchange.endpoint for exchange in sandbox.journal()]
        sandbox.clear_journal()
        return endpoints

    return look


@pytest.fixture
def age() -> Callable[..., SessionRecord]:
    """Makes the stored session older, or changes its fields, as if it had been stored so."""

    def change(hours: float = 0.0, **fields: object) -> SessionRecord:
        paths = Settings.load().paths
        session = stored_session(paths)
        assert session is not None
        if hours:
            fields["validated_at"] = datetime.now(UTC) - timedelta(hours=hours)
        changed = replace(session, **fields)  # type: ignore[arg-type]
        sealed.write_session(paths, changed.to_dict())
        clear_cache()
        return changed

    return change


@pytest.fixture
def paths() -> Paths:
    """Where the default profile's things are."""
    return Settings.load().paths


@pytest.fixture
def in_its_place(sandbox: Sandbox) -> Callable[[Handler], object]:
    """Stops the sandbox and has something else answer, or not, at its address."""

    @contextmanager
    def stand_in(handler: Handler) -> Iterator[RawServer]:
        port = int(sandbox.api_url.rpartition(":")[2])
        sandbox.stop()
        with serving(handler, port=port) as server:
            yield server

    return stand_in
