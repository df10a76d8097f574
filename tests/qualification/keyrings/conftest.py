"""A keyring daemon for each test, and the SDK in this process on it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("secretstorage")

from nimbus_sdk.display.timeouts import run_with_timeout
from nimbus_sdk.storage import keyring_backend, keyring_breaker
from tests.qualification.keyrings.daemon import Daemon, missing_programs


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A running keyring, unlocked; this process and those that it starts use it."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"needs {missing} (Debian: apt-get install gnome-keyring dbus)")
    import keyring.core

    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    running = Daemon(tmp_path / "keyrings")
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)

    def run(job: Callable[[], object], _: float, **more: object) -> object:
        # Two seconds may be too short on a busy machine, and are too long for a keyring that is silent.
        return run_with_timeout(job, 0.3 if running.is_silent else 60, **{**more, "notice_after": None})

    monkeypatch.setattr(keyring_backend, "run_with_timeout", run)
    monkeypatch.setattr(keyring_breaker, "LOOK_SECONDS", 0.0)
    yield running
    running.stop()
    # They end with the daemon.
    running.join_threads()
    # The keyring package does not close its connection to a keyring that is locked.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
