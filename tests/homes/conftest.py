"""Examinations that a process takes in a home, told as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.other_users import as_stranger, with_mounts

EXAMINER = """
import json, os, sys, nimbus_sdk
told = {}

def ask(name, call):
    try:
        value = call()
    except nimbus_sdk.NimbusError as error:
        told[name] = {"fault": type(error).__name__, "message": str(error)}
    else:
        told[name] = {"fault": None, "value": value}

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
            answer = {"fault": None, "value": call()}
        except BaseException as error:
            answer = {"fault": type(error).__name__, "message": str(error)}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reader, 100_000))
"""
TELL = "\nprint(json.dumps(told))\n"

Told: TypeAlias = dict[str, dict[str, object]]
Examine: TypeAlias = Callable[..., Told]


@pytest.fixture
def desk(own_world: Path, key: str) -> Path:
    """The working directory of the examined, with the key in a file."""
    desk = own_world / "work"
    (desk / "key").write_text(key)
    return desk


@pytest.fixture
def examine(desk: Path) -> Examine:
    """Runs code as a stranger (or with mounts of its own) and gives what it told; see ``EXAMINER``."""

    def run(code: str, *, mounts: bool = False, without: tuple[str, ...] = (), **environ: str) -> Told:
        whole: Mapping[str, str] = {
            name: value for name, value in {**os.environ, **environ}.items() if name not in without
        }
        done = (with_mounts if mounts else as_stranger)(EXAMINER + code + TELL, whole, desk)
        told: Told = json.loads(done.stdout)
        told["stderr"] = {"text": done.stderr}
        return told

    return run
