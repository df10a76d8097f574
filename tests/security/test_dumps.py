"""What a crash reporter, a debugger or a core dump can see of a key.

The canaries of tests/qualification print results, errors, frames, logs and pickles of every call; here are
the tools that they do not use, the SDK's child process while it runs, and the memory afterwards.
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
from tests.security.memory_copies import count_copies
from tests.support.wheels import SOURCE, core_files, make_wheel

ROOT = Path(__file__).parents[2]
INDISCREET = """
import os
def _report():
    with open(os.environ["REPORT"], "ab") as report:
        for process in ("self", os.getppid()):
            for part in ("cmdline", "environ"):
                with open(f"/proc/{process}/{part}", "rb") as source:
                    report.write(source.read())
        for name in os.listdir("/proc/self/fd"):
            try:
                report.write(os.readlink(f"/proc/self/fd/{name}").encode())
            except FileNotFoundError:
                pass
_report()
"""


@pytest.fixture
def keys(key: str) -> dict[str, str]:
    """A valid key, and an unknown one."""
    return {"good": key, "unknown": f"nbci_live_{secrets.token_hex(24)}"}


def introspect(keys: dict[str, str], home: Path) -> str:
    """Return what the program that introspects itself prints with these keys."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.security.dumps"],
        input=json.dumps(keys) + "\n",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=home / "work",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert SecretSearch(keys).find_in_bytes(done.stderr.encode()) == set()
    return done.stdout


@pytest.mark.tiny_core
def test_no_introspection_tool_shows_a_key(isolated_home: Path, keys: dict[str, str]):
    """cgitb, faulthandler, copies, attributes to any depth, frames as crash reporters send them: no key.

    After the last call no container of Python holds one either: no cache, no connection, no module.
    """
    output = introspect(keys, isolated_home)
    assert output.count("InvalidKeyError") >= 3
    assert "validate" in output
    assert SecretSearch(keys).find_in_bytes(output.encode()) == set()
    assert ApiKey.parse(keys["good"]).masked in output, "the values were really printed"
    assert json.loads(output.rpartition("== memory\n")[2]) == []


@pytest.mark.skipif(
    not os.path.exists("/proc/self/mem"), reason="memory can be read from outside on Linux alone"
)
@pytest.mark.tiny_core
@pytest.mark.parametrize("calls", [10, pytest.param(40, marks=pytest.mark.qualification)])
def test_copies_in_freed_memory_do_not_grow_in_number(
    isolated_home: Path, sandbox: Sandbox, key: str, calls: int
):
    """The copies of a key in freed memory do not grow with the number of calls.

    Python cannot wipe what it frees, so there are some, and a core dump can contain a key.
    """
    found = count_copies(key, {}, isolated_home / "work", calls)
    assert found["imported"] == 0
    assert found["client open"] >= 1, "the count finds what is there"
    growth = found[f"authenticated {2 * calls} times"] - found[f"authenticated {calls} times"]
    assert growth < 3 / 4 * calls, found


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="needs /proc")
@pytest.mark.tiny_core
def test_a_child_process_gets_no_key(
    isolated_home: Path, sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch
):
    """While a core is tried out, neither its process nor ours has a key in arguments or environment."""
    report = isolated_home / "report"
    files = {**core_files(), "nimbus_sdk_core/__init__.py": (SOURCE + INDISCREET).encode()}
    sandbox.publish_wheel(make_wheel(isolated_home / "wheels", "3.0.0", files=files))
    monkeypatch.setenv("REPORT", str(report))
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    assert nimbus_sdk.install_core().key_masked == ApiKey.parse(key).masked
    content = report.read_bytes()
    assert b"nimbus_sdk_core" in content, "the core was tried out, and reported what it saw"
    assert SecretSearch({"key": key}).find_in_bytes(content) == set()
