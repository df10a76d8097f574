"""An interpreter to start is never another program, and commands to paste fit this environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nimbus_sdk.errors import python_environment
from nimbus_sdk.errors.python_environment import find_interpreter, install_hint


@pytest.fixture(autouse=True)
def no_cache() -> Iterator[None]:
    """Each test begins as a process that has not looked yet."""
    python_environment._find_elsewhere.cache_clear()
    yield
    python_environment._find_elsewhere.cache_clear()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Makes a program of a name that leaves a trace if it is started, and is no Python."""

    def make(name: str) -> str:
        path = tmp_path / "program" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho started >> {tmp_path / 'trace'}\n")
        path.chmod(0o700)
        return str(path)

    return make


@pytest.mark.parametrize("name", ["python", "python3.11", "Python", "python3.13t", "pypy3.10", "python3-dbg"])
def test_an_interpreter_is_recognized_by_its_name(program, tmp_path, monkeypatch, name):
    """It is returned without being started."""
    monkeypatch.setattr(sys, "executable", program(name))
    assert find_interpreter() == sys.executable
    assert not (tmp_path / "trace").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs programs that are scripts")
@pytest.mark.parametrize("name", ["qgis", "uwsgi", "blender", "pythonista", "my-python-app", "python.sh"])
def test_another_program_is_never_started(program, tmp_path, monkeypatch, name):
    """The interpreter of its prefix is found instead."""
    monkeypatch.setattr(sys, "executable", program(name))
    monkeypatch.setattr(sys, "_base_executable", program(name))
    found = find_interpreter()
    assert found is not None
    assert os.path.dirname(found) == os.path.join(sys.prefix, "bin")
    assert not (tmp_path / "trace").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs programs that are scripts")
def test_an_interpreter_of_another_version_is_passed_over(program, tmp_path, monkeypatch):
    """It could not test a core for this one."""
    monkeypatch.setattr(sys, "executable", program("qgis"))
    monkeypatch.setattr(sys, "_base_executable", program("python3.9"))
    for prefix in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, prefix, str(tmp_path))
    assert find_interpreter() is None
    assert install_hint(["numpy"]).startswith("This program embeds Python: add numpy")


def test_a_frozen_program_is_not_told_to_run_itself(monkeypatch):
    """What is missing must be added where it is built."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert find_interpreter() is None
    assert install_hint(["numpy", "scipy"]) == (
        "This program embeds Python: add numpy, scipy where it is built, then try again."
    )


def test_an_environment_without_pip_is_installed_into_with_uv(monkeypatch):
    """As uv makes them; the path is quoted where it has to be."""
    monkeypatch.setattr(python_environment, "find_interpreter", lambda: "/a b/bin/python")
    monkeypatch.setattr(python_environment, "find_spec", lambda name: None)
    command = 'uv pip install --python "/a b/bin/python" "numpy>=1.26"'
    assert install_hint(["numpy>=1.26"]) == f"Run `{command}`, then try again."
    monkeypatch.setattr(python_environment, "find_spec", lambda name: object())
    command = '"/a b/bin/python" -m pip install "numpy" "scipy"'
    assert install_hint(["numpy", "scipy"]) == f"Run `{command}`, then try again."


@pytest.mark.parametrize(
    "text", ["x @ https://e/$(reboot)", "x @ https://e/`reboot`", 'x @ https://e/";reboot"']
)
def test_a_pasted_command_runs_nothing_else(text):
    """A requirement from outside cannot smuggle another command into the one to paste."""
    assert install_hint([text]).endswith(f" '{text}'`, then try again.")
