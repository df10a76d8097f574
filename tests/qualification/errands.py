"""What the tests' children do; each gives what JSON can hold."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

# Born with the interpreter that children are forked from, so that none of them waits for an import.
import httpx  # noqa: F401
import numpy  # noqa: F401
import tenacity  # noqa: F401

import nimbus_sdk
from nimbus_sdk import aio
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import download, release, requirements, transfer  # noqa: F401
from nimbus_sdk.storage import sealed
from nimbus_sdk.transport import http  # noqa: F401
from tests.qualification import tripwire


def key_in(path: str) -> str:
    """A key from a file, so that none stands in code or in an order."""
    return Path(path).read_text().strip()


def install(key: str | None = None, wire: dict[str, object] | None = None, **options: object) -> str:
    """``install_core`` with a key from a file, perhaps over a tripwire; gives the key's fingerprint."""
    if wire is not None:
        tripwire.lay(_reaction(wire))
    return nimbus_sdk.install_core(None if key is None else key_in(key), **options).key_fingerprint  # type: ignore[arg-type]


def story(name: str, key: str | None = None, wire: dict[str, object] | None = None) -> None:
    """A public call, with a key from a file where it takes one, perhaps over a tripwire."""
    arguments = () if key is None else (key_in(key),)
    if wire is not None:
        tripwire.lay(_reaction(wire))
    getattr(nimbus_sdk, name)(*arguments)


def record(key: str, **options: object) -> list[tuple[str, str, str]]:
    """``install_core``, and every step that it took."""
    recorder = tripwire.Recorder()
    tripwire.lay(recorder)
    nimbus_sdk.install_core(key_in(key), **options)  # type: ignore[arg-type]
    return [(step.room, step.name, step.target) for step in recorder.steps]


def look() -> dict[str, object]:
    """What a process that starts now finds; raises what no crash may lead to."""
    try:
        session = nimbus_sdk.current_session().key_fingerprint
    except nimbus_sdk.SessionNotFoundError:
        session = None
    status = nimbus_sdk.check_installation()
    if status.installed and status.problems:
        raise AssertionError(f"the core is not whole: {status.problems}")
    if status.installed:
        trials = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, "motor_imagery_4class_v1")
        loaded = sys.modules["nimbus_sdk_core"]
        if loaded.__version__ != status.version or trials is None:
            raise AssertionError(f"core {loaded.__version__} was loaded, not {status.version}")
    stored = nimbus_sdk.get_stored_api_key()
    return {
        "session": session,
        "core": status.version,
        "key": None if stored is None else ApiKey.parse(stored).fingerprint,
    }


def in_threads(key: str, number: int) -> list[str]:
    """``install_core`` in many threads at once; gives what each returned or raised."""
    text = key_in(key)
    start = threading.Barrier(number)
    told: list[str] = []

    def one() -> None:
        start.wait()
        try:
            told.append(nimbus_sdk.install_core(text).key_fingerprint)
        except BaseException as error:
            told.append(repr(error))

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def in_tasks(key: str, number: int) -> list[str]:
    """The awaitable ``install_core`` in many tasks at once."""
    text = key_in(key)

    async def all_of_them() -> list[str]:
        sessions_ = await asyncio.gather(*(aio.install_core(text) for _ in range(number)))
        return [session.key_fingerprint for session in sessions_]

    return asyncio.run(all_of_them())


def without_locks(key: str, how: str, **options: object) -> str:
    """``install_core`` on a file system whose locks do nothing, or do not exist."""

    def flock(descriptor: int, operation: int) -> None:
        if how == "missing":
            raise OSError(38, os.strerror(38))

    fcntl.flock = flock  # type: ignore[assignment]
    return install(key, **options)


def age(hours: float) -> None:
    """Make the kept session older than it is."""
    paths = Settings.load().paths
    kept = sealed.read(paths)
    assert kept is not None
    then = datetime.now(UTC) - timedelta(hours=hours)
    sealed.write(paths, {**kept, "validated_at": then.isoformat()})


def _reaction(wire: dict[str, object]) -> tripwire.Reaction:
    acts = {"kill": tripwire.kill, "interrupt": tripwire.interrupt}
    code = wire.get("errno")
    act = tripwire.refuse(code) if isinstance(code, int) else acts[str(wire["act"])]
    rooms: tuple[tripwire.Room, ...] = ("disk",) if code is not None else ("disk", "network", "process")
    return tripwire.Counted(int(str(wire["at"])), act, rooms=rooms, lasting=bool(wire.get("lasting")))
