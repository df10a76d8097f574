"""A home of its own for every test of the store, and fresh processes that find the fake backends."""

import os
import sys
from pathlib import Path

import pytest

from nimbus_sdk.settings import Settings
from nimbus_sdk.store.places import Places

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def private_home(tmp_path, monkeypatch):
    """No test reads or writes this person's own keys, settings or keyring."""
    for name in list(os.environ):
        if name.startswith(("NIMBUS_", "XDG_", "PYTHON_KEYRING_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.syspath_prepend(str(HERE))
    return home


@pytest.fixture
def settings(tmp_path):
    """Settings that keep everything in the test's own folder."""
    return Settings(home=str(tmp_path / "nimbus"))


@pytest.fixture
def places(settings):
    """The places of these settings."""
    return Places.of(settings)


@pytest.fixture
def use_backend(monkeypatch):
    """Makes one of the fake backends the keyring of this process; gives the backend."""
    import backends
    import keyring.core

    def use(name):
        backend = getattr(backends, name)()
        monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
        return backend

    return use


@pytest.fixture
def fresh_environment(tmp_path, private_home):
    """The environment of a fresh process; with a backend's name, its keyring is that one."""

    def environment(backend="keyring.backends.null.Keyring", *extra_path, **variables):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(private_home),
            "PYTHONPATH": os.pathsep.join([*map(str, extra_path), str(HERE)]),
            "PYTHON_KEYRING_BACKEND": backend,
            "NIMBUS_SDK_HOME": str(tmp_path / "nimbus"),
            **variables,
        }

    return environment


@pytest.fixture
def python():
    """The interpreter for fresh processes."""
    return sys.executable
