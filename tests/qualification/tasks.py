"""Tasks of the tests' child processes; each returns what JSON can represent."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nimbus_sdk
import tests.support.preloaded  # noqa: F401
from nimbus_sdk import aio
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import sealed
from tests.qualification import fault_points


def read_key(path: str) -> str:
    """Read a key from a file, so that none is in code or in a request to the fork server."""
    return Path(path).read_text().strip()


def install(key: str | None = None, fault_point: dict[str, object] | None = None, **options: object) -> str:
    """Run ``install_core``, perhaps with a fault point; return the key's fingerprint."""
    if fault_point is not None:
        fault_points.install_hooks(_reaction(fault_point))
    return nimbus_sdk.install_core(None if key is None else read_key(key), **options).key_fingerprint  # type: ignore[arg-type]


def call_function(name: str, key: str | None = None, fault_point: dict[str, object] | None = None) -> None:
    """Call a public function, with a key from a file if it takes one, perhaps with a fault point."""
    arguments = () if key is None else (read_key(key),)
    if fault_point is not None:
        fault_points.install_hooks(_reaction(fault_point))
    getattr(nimbus_sdk, name)(*arguments)


def record_steps(key: str, **options: object) -> list[tuple[str, str, str]]:
    """Run ``install_core`` and return every step that it took."""
    recorder = fault_points.StepRecorder()
    fault_points.install_hooks(recorder)
    nimbus_sdk.install_core(read_key(key), **options)  # type: ignore[arg-type]
    return [(step.area, step.name, step.target) for step in recorder.steps]


def find_state() -> dict[str, object]:
    """Return what a new process finds; raise if it is something that no crash may cause."""
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


def install_in_threads(key: str, number: int) -> list[str]:
    """Run ``install_core`` in many threads at once; return what each returned or raised."""
    text = read_key(key)
    start = threading.Barrier(number)
    results: list[str] = []

    def install_once() -> None:
        start.wait()
        try:
            results.append(nimbus_sdk.install_core(text).key_fingerprint)
        except BaseException as error:
            results.append(repr(error))

    threads = [threading.Thread(target=install_once) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def install_in_tasks(key: str, number: int) -> list[str]:
    """Run the awaitable ``install_core`` in many tasks at once."""
    text = read_key(key)

    async def install_all() -> list[str]:
        sessions = await asyncio.gather(*(aio.install_core(text) for _ in range(number)))
        return [session.key_fingerprint for session in sessions]

    return asyncio.run(install_all())


def install_without_locks(key: str, how: str, **options: object) -> str:
    """Run ``install_core`` on a file system whose locks do nothing, or do not exist."""

    def flock(descriptor: int, operation: int) -> None:
        if how == "missing":
            raise OSError(38, os.strerror(38))

    fcntl.flock = flock  # type: ignore[assignment]
    return install(key, **options)


def age_session(hours: float) -> None:
    """Make the stored session older than it is."""
    paths = Settings.load().paths
    record = sealed.read_session(paths)
    assert record is not None
    then = datetime.now(UTC) - timedelta(hours=hours)
    sealed.write_session(paths, {**record, "validated_at": then.isoformat()})


def _reaction(fault_point: dict[str, object]) -> fault_points.Reaction:
    actions = {"kill": fault_points.kill, "interrupt": fault_points.interrupt}
    code = fault_point.get("errno")
    action = fault_points.refuse(code) if isinstance(code, int) else actions[str(fault_point["action"])]
    areas: tuple[fault_points.Area, ...] = ("disk",) if code is not None else ("disk", "network", "process")
    return fault_points.AtStep(
        int(str(fault_point["at"])), action, areas=areas, lasting=bool(fault_point.get("lasting"))
    )
