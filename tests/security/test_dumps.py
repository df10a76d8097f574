"""What a crash reporter, a debugger or a core dump gets to see of a key.

The canaries of tests/end_to_end show results, errors, frames, logs and pickles of every story; here are the
tools that they do not use, the SDK's child process while it runs, and the memory afterwards.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.qualification.secret_search import SecretSearch
from tests.security.remains import counted
from tests.support.wheels import SOURCE, core_files, make_wheel

ROOT = Path(__file__).parents[2]
MOST_GROWTH = 30
INDISCREET = """
import os
def _tell():
    with open(os.environ["REPORT"], "ab") as report:
        for process in ("self", os.getppid()):
            for part in ("cmdline", "environ"):
                with open(f"/proc/{process}/{part}", "rb") as told:
                    report.write(told.read())
        for name in os.listdir("/proc/self/fd"):
            try:
                report.write(os.readlink(f"/proc/self/fd/{name}").encode())
            except FileNotFoundError:
                pass
_tell()
"""


@pytest.fixture
def keys(key: str) -> dict[str, str]:
    """A key that is valid, and one that nobody knows."""
    return {"good": key, "unknown": f"nbci_live_{secrets.token_hex(24)}"}


def taken_apart(keys: dict[str, str], world: Path) -> str:
    """What the program that takes itself apart prints when it is told these keys."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.security.dumps"],
        input=json.dumps(keys) + "\n",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=world / "work",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert SecretSearch(keys).find_in_bytes(done.stderr.encode()) == set()
    return done.stdout


def test_no_tool_that_takes_a_program_apart_shows_a_key(own_world: Path, keys: dict[str, str]):
    """cgitb, faulthandler, copies, attributes to any depth, frames as crash reporters send them: no key."""
    shown = taken_apart(keys, own_world)
    assert shown.count("InvalidKeyError") >= 3
    assert "validate" in shown
    assert SecretSearch(keys).find_in_bytes(shown.encode()) == set()
    assert ApiKey.parse(keys["good"]).masked in shown, "what is shown was really looked at"


def test_nothing_reachable_holds_a_key_once_the_call_is_over(own_world: Path, keys: dict[str, str]):
    """After the last call no container of Python holds a key: no cache, no connection, no module."""
    shown = taken_apart(keys, own_world)
    assert json.loads(shown.rpartition("== memory\n")[2]) == []


@pytest.mark.skipif(
    not os.path.exists("/proc/self/mem"), reason="memory can be read from outside on Linux alone"
)
def test_copies_in_freed_memory_do_not_grow_in_number(own_world: Path, sandbox: Sandbox, key: str):
    """What freed memory keeps of a key does not grow with the number of calls.

    Python cannot wipe what it frees, so it is not none, and a core dump can hold a key.
    """
    found = counted(key, {}, own_world / "work")
    assert found["imported"] == 0
    assert found["client open"] >= 1, "the count finds what is there"
    assert found["asked 80 times"] - found["asked 40 times"] < MOST_GROWTH, found


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="needs /proc")
def test_a_child_process_is_told_nothing(
    own_world: Path, sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch
):
    """While a core is tried out, neither its process nor ours has a key in arguments or environment."""
    report = own_world / "report"
    files = {**core_files(), "nimbus_sdk_core/__init__.py": (SOURCE + INDISCREET).encode()}
    sandbox.publish_wheel(make_wheel(own_world / "wheels", "3.0.0", files=files))
    monkeypatch.setenv("REPORT", str(report))
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    assert nimbus_sdk.install_core().key_masked == ApiKey.parse(key).masked
    told = report.read_bytes()
    assert b"nimbus_sdk_core" in told, "the core was tried out, and told what it saw"
    assert SecretSearch({"key": key}).find_in_bytes(told) == set()
