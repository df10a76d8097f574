"""Counts copies of a key in a process's memory, from outside: ``python -m tests.security.memory_copies``.

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
PHASES = ("imported", "client open", "client closed", "installed")
CALLS = 40
_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r")
_CHILD = """
import gc, pathlib, sys
import nimbus_sdk, nimbus_sdk.api.client, nimbus_sdk.core.install

def finish_phase(phase):
    print(phase, flush=True)
    sys.stdin.readline()

def key():
    return pathlib.Path(sys.argv[1]).read_text()

finish_phase("imported")
client = nimbus_sdk.NimbusClient(key())
client.validate()
finish_phase("client open")
client.close()
del client
finish_phase("client closed")
nimbus_sdk.install_core(key())
finish_phase("installed")
calls = int(sys.argv[2])
for times in (calls, 2 * calls):
    for _ in range(calls):
        nimbus_sdk.authenticate(key())
    gc.collect()
    finish_phase(f"authenticated {times} times")
"""


def copies(pid: int, secret: bytes) -> int:
    """Count a secret in the memory of another process of this user, in ASCII.

    Raises:
        PermissionError: The system lets no process read another's memory.
    """
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            region = _LINE.match(line)
            if region is None or "[v" in line:
                continue
            start, end = (int(number, 16) for number in region.groups())
            try:
                memory.seek(start)
                found += memory.read(end - start).count(secret)
            except OSError:
                # A part that was unmapped in the meantime, or that belongs to a device.
                continue
    return found


def count_copies(key: str, environ: Mapping[str, str], folder: Path, calls: int = CALLS) -> dict[str, int]:
    """Count the copies of a key in a process that uses it, in each phase; ``calls`` sign in per phase."""
    path = folder / "key.txt"
    path.write_text(key)
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _CHILD, str(path), str(calls)],
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
        for phase in (*PHASES, f"authenticated {calls} times", f"authenticated {2 * calls} times"):
            line = child.stdout.readline().strip()
            if line != phase:
                raise AssertionError(f"the child printed {line!r} instead of {phase!r}")
            seen[phase] = copies(child.pid, key.encode())
            child.stdin.write("\n")
            child.stdin.flush()
    return seen


def main() -> None:
    """Count with a sandbox of its own, and print a table."""
    unlimited = dict.fromkeys(("validate", "github_token"))
    with tempfile.TemporaryDirectory() as folder, Sandbox(limits=unlimited) as sandbox:
        environ = {
            **sandbox.environment(),
            "NIMBUS_SDK_HOME": f"{folder}/nimbus",
            "NIMBUS_SDK_CREDENTIAL_STORE": "file",
            "NIMBUS_SDK_NO_PROGRESS": "1",
        }
        print("| phase | copies of the key in memory |\n| --- | --- |")
        for phase, count in count_copies(sandbox.new_key(), environ, Path(folder)).items():
            print(f"| {phase} | {count} |")


if __name__ == "__main__":
    main()
