"""Code that runs in a home as another user, or with mounts of its own, and returns its results as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.forked import ForkedPython

PRELUDE = """
import json, os, sys, nimbus_sdk
results = {}

def record(name, call):
    try:
        value = call()
    except nimbus_sdk.NimbusError as error:
        results[name] = {"error": type(error).__name__, "message": str(error)}
    else:
        results[name] = {"error": None, "value": value}

def decoded():
    model = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, "motor_imagery_4class_v1")
    import nimbus_sdk_core
    trials = nimbus_sdk_core.simulate("motor_imagery", n_trials=20, seed=7)
    return len(nimbus_sdk.predict_batch(model, trials).predictions)

def key():
    with open("key") as file:
        return file.read()

def install(**options):
    return nimbus_sdk.install_core(key(), **options).key_fingerprint

def in_fork(call):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            answer = {"error": None, "value": call()}
        except BaseException as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reader, 100_000))
"""
IN_FRESH_INTERPRETER = """
import subprocess, sys
sys.exit(subprocess.run([sys.executable, "-W", "error", "-c", {!r}]).returncode)
"""
PRINT_RESULTS = "\nprint(json.dumps(results))\n"

Results: TypeAlias = dict[str, dict[str, object]]
RunCode: TypeAlias = Callable[..., Results]


@pytest.fixture
def work_folder(isolated_home: Path, key: str) -> Path:
    """The working directory of that code, with the key in a file."""
    work_folder = isolated_home / "work"
    (work_folder / "key").write_text(key)
    return work_folder


@pytest.fixture
def run_code(work_folder: Path, forked_python: ForkedPython) -> RunCode:
    """Runs code as an unknown user (or with mounts of its own) and returns its results; see ``PRELUDE``."""

    def run(
        code: str,
        *,
        mounts: bool = False,
        fresh: bool = False,
        without: tuple[str, ...] = (),
        **environ: str,
    ) -> Results:
        program = PRELUDE + code + PRINT_RESULTS
        done = forked_python.run(
            ["-W", "error", "-c", IN_FRESH_INTERPRETER.format(program) if fresh else program],
            environ={name: value for name, value in {**os.environ, **environ}.items() if name not in without},
            become=["become_mounter" if mounts else "become_stranger"],
        )
        results: Results = json.loads(done.stdout)
        results["stderr"] = {"text": done.stderr}
        return results

    return run
