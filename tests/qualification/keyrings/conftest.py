"""A keyring daemon for each test, and the SDK in this process on it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("secretstorage")

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
    yield running
    running.stop()
    # They end with the daemon.
    running.join_threads()
    # The keyring package does not close its connection to a keyring that is locked.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
