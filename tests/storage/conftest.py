"""Paths for every test of the store, keyrings of all kinds, and a search for leaks."""

import os
import stat
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from nimbus_sdk.config.settings import Settings

HERE = Path(__file__).parents[1] / "support" / "keyrings"


@pytest.fixture
def settings(tmp_path):
    """Settings that keep everything in a folder of the test's own, which is not there yet."""
    return Settings(home=str(tmp_path / "home"))


@pytest.fixture
def paths(settings):
    """The paths of these settings."""
    return settings.paths


@pytest.fixture
def moved():
    """Gives a function: settings some of whose paths lead elsewhere."""

    def change(settings, **changed):
        other = replace(settings)
        vars(other)["paths"] = replace(settings.paths, **changed)
        return other

    return change


@pytest.fixture
def use_backend(monkeypatch):
    """Makes one of the fake backends the keyring of this process; gives the backend."""
    monkeypatch.syspath_prepend(str(HERE))
    import backends  # type: ignore[import-not-found]
    import keyring.core

    def use(name):
        backend = getattr(backends, name)()
        monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
        return backend

    return use


@pytest.fixture
def fresh_environment(settings):
    """The environment of a fresh process; with a backend's name, its keyring is that one."""

    def environment(backend="keyring.backends.null.Keyring", *extra_path, **variables):
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "PYTHONPATH": os.pathsep.join([*map(str, extra_path), str(HERE)]),
            "PYTHON_KEYRING_BACKEND": backend,
            "NIMBUS_SDK_HOME": settings.home,
            **variables,
        }

    return environment


@pytest.fixture
def make_foreign(monkeypatch):
    """Makes a file another user's: really so for root, by being somebody else for everyone else."""
    nobody = 65_534

    def make(path):
        if os.geteuid() == 0:
            os.chown(path, nobody, nobody, follow_symlinks=False)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: nobody)

    return make


@pytest.fixture
def python():
    """The interpreter for fresh processes."""
    return sys.executable


@pytest.fixture
def everything_in():
    """Gives a function: one text with all that an error carries, as a debugger would show it.

    Its texts, its chain of causes, and the variables of every frame of this package.
    """

    def collect(error):
        parts, queue, seen = [], [error], set()
        while queue:
            one = queue.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            parts += [*traceback.format_exception(one), repr(one), repr(vars(one))]
            for frame, _ in traceback.walk_tb(one.__traceback__):
                if frame.f_globals.get("__name__", "").startswith("nimbus_sdk"):
                    parts += [repr(value) for value in frame.f_locals.values()]
            queue += [one.__cause__, one.__context__]
        return "\n".join(parts)

    return collect


FULL = OSError(28, "No space left on device")


@pytest.fixture
def path(tmp_path):
    """A file in two folders that are not there yet."""
    return str(tmp_path / "one" / "two" / "record.json")


def mode(path):
    """Permission bits."""
    return stat.S_IMODE(os.stat(path).st_mode)


def listed(path):
    """What is in the file's folder."""
    return sorted(os.listdir(os.path.dirname(path)))


def refuse(*_, **__):
    """A disk that is full."""
    raise FULL
