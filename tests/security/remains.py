"""Copies of a key in a whole process's memory, counted from outside: ``python -m tests.security.remains``.

Python frees memory without wiping it, so copies can stay where nothing reaches them any more. How many, in
which phase of a program, is what this counts; the figures in docs/security.md are from a run of it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nimbus_sdk.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PHASES = ("imported", "client open", "client gone", "installed", "asked 40 times", "asked 80 times")
_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r")
_CHILD = """
import gc, pathlib, sys
import nimbus_sdk, nimbus_sdk.api.client, nimbus_sdk.core.install

def reached(phase):
    print(phase, flush=True)
    sys.stdin.readline()

def key():
    return pathlib.Path(sys.argv[1]).read_text()

reached("imported")
client = nimbus_sdk.NimbusClient(key())
client.validate()
reached("client open")
client.close()
del client
reached("client gone")
nimbus_sdk.install_core(key())
reached("installed")
for times in (40, 80):
    for _ in range(40):
        nimbus_sdk.authenticate(key())
    gc.collect()
    reached(f"asked {times} times")
"""


def copies(pid: int, secret: bytes) -> int:
    """How often a secret stands in the memory of another process of this user, in ASCII.

    Raises:
        PermissionError: The system lets no process look into another.
    """
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            place = _LINE.match(line)
            if place is None or "[v" in line:
                continue
            start, end = (int(number, 16) for number in place.groups())
            try:
                memory.seek(start)
                found += memory.read(end - start).count(secret)
            except OSError:
                # A part that was unmapped in the meantime, or that belongs to a device.
                continue
    return found


def counted(key: str, environ: Mapping[str, str], folder: Path) -> dict[str, int]:
    """Copies of a key in a process that uses it, phase by phase."""
    path = folder / "key.txt"
    path.write_text(key)
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _CHILD, str(path)],
        env={**os.environ, **environ},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    seen = {}
    with child:
        for phase in PHASES:
            told = child.stdout.readline().strip()
            if told != phase:
                raise AssertionError(f"the child told {told!r} in place of {phase!r}")
            seen[phase] = copies(child.pid, key.encode())
            child.stdin.write("\n")
            child.stdin.flush()
    return seen


def main() -> None:
    """Count on a sandbox of its own, and print a table."""
    unlimited = dict.fromkeys(("validate", "github_token"))
    with tempfile.TemporaryDirectory() as folder, Sandbox(limits=unlimited) as sandbox:
        environ = {
            **sandbox.environment(),
            "NIMBUS_SDK_HOME": f"{folder}/nimbus",
            "NIMBUS_SDK_CREDENTIAL_STORE": "file",
            "NIMBUS_SDK_NO_PROGRESS": "1",
        }
        print("| phase | copies of the key in memory |\n| --- | --- |")
        for phase, count in counted(sandbox.new_key(), environ, Path(folder)).items():
            print(f"| {phase} | {count} |")


if __name__ == "__main__":
    main()
