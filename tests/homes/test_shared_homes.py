"""Several hosts with one home and no locks: work is repeated, and nothing is damaged."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.homes.conftest import PRELUDE, PRINT_RESULTS, Results
from tests.support.forked import ForkedPython
from tests.support.other_users import has_hosts

pytestmark = pytest.mark.usefixtures("either_core")

HOSTS = 3
# Network file systems on which every lock is granted. The hosts start at the same moment.
START = """
import fcntl, time, numpy
fcntl.flock = lambda *_: None
open("ready-{NAME}", "w").close()
while not os.path.exists("go"):
    time.sleep(0.005)
"""
INSTALL = """
for number in range(3):
    record(f"install {number}", lambda: install(force=number > 0))
record("who", lambda: [os.uname().nodename, os.getpid()])
"""
REFRESH = """
for number in range(4):
    record(f"refresh {number}", lambda: nimbus_sdk.refresh_quota().stale)
"""
WATCH = """
looks, seen = 0, set()
while not os.path.exists("over"):
    looks += 1
    status = nimbus_sdk.check_installation()
    if status.installed and not status:
        record("broken", lambda: list(status.problems))
        break
    if status.installed and not status.session:
        # Without locks a staged session of one host may replace another's, for the moment between two writes.
        time.sleep(0.1)
        if not nimbus_sdk.check_installation().session:
            record("broken", lambda: "a core without its session")
            break
    if status.session:
        seen.add(status.session.key_fingerprint)
results["looks"], results["seen"] = looks, sorted(seen)
"""


class Hosts:
    """Starts hosts at one home, lets them begin together, and gives what each results."""

    def __init__(self, work_folder: Path, python: ForkedPython, pool: ThreadPoolExecutor) -> None:
        self._work_folder = work_folder
        self._python = python
        self._pool = pool
        self._waiting = 0

    def start(self, name: str, code: str) -> Future[Results]:
        """Let a host come up; it waits for the others."""
        self._waiting += 1
        return self._pool.submit(self._run_host, name, START.replace("{NAME}", name) + code)

    def go(self) -> None:
        """Let all begin."""
        end = time.monotonic() + 30
        while len(list(self._work_folder.glob("ready-*"))) < self._waiting:
            assert time.monotonic() < end, "a host did not come up"
            time.sleep(0.01)
        (self._work_folder / "go").touch()

    def end(self) -> None:
        """Stop the watchers."""
        (self._work_folder / "over").touch()

    def _run_host(self, name: str, code: str) -> Results:
        done = self._python.run(
            ["-W", "error", "-c", PRELUDE + code + PRINT_RESULTS],
            environ=os.environ,
            become=["become_host", name],
        )
        results: Results = json.loads(done.stdout)
        return results


@pytest.fixture
def hosts(work_folder: Path, forked_python: ForkedPython) -> Iterator[Hosts]:
    """Hosts that share this test's home."""
    with ThreadPoolExecutor(HOSTS + 1) as pool:
        hosts = Hosts(work_folder, forked_python, pool)
        yield hosts
        hosts.go()
        hosts.end()


def test_hosts_without_locks_damage_nothing(hosts: Hosts, key: str, isolated_home: Path) -> None:
    """Three hosts install and upgrade at once while a fourth watches: it never sees anything half done."""
    watching = hosts.start("watcher", WATCH)
    working = [hosts.start(f"node{number}", INSTALL) for number in range(HOSTS)]
    hosts.go()
    results = [host.result() for host in working]
    hosts.end()
    seen, fingerprint = watching.result(), ApiKey.parse(key).fingerprint
    for host in results:
        assert [host[f"install {number}"].get("value") for number in range(3)] == [fingerprint] * 3, host
    assert "broken" not in seen, seen
    assert seen["seen"] == [fingerprint]
    assert int(str(seen["looks"])) > 3
    if has_hosts():
        assert [host["who"]["value"] for host in results] == [[f"node{number}", 1] for number in range(HOSTS)]
    left = [path.name for path in (isolated_home / "nimbus").rglob("*.tmp")]
    assert left == []


def test_hosts_without_locks_renew_one_session(
    hosts: Hosts, forked_python: ForkedPython, key: str, sandbox: Sandbox, isolated_home: Path
) -> None:
    """Renewals from several hosts at once all succeed, and leave one complete session."""
    forked_python("import pathlib, nimbus_sdk; nimbus_sdk.authenticate(pathlib.Path('key').read_text())")
    working = [hosts.start(f"node{number}", REFRESH) for number in range(HOSTS)]
    hosts.go()
    for host in working:
        results = host.result()
        assert [results[f"refresh {number}"].get("value") for number in range(4)] == [False] * 4, results
    code = "import nimbus_sdk; print(nimbus_sdk.current_session().key_fingerprint)"
    assert forked_python(code).stdout.strip() == ApiKey.parse(key).fingerprint
    assert list((isolated_home / "nimbus").rglob("*damaged*")) == []


def test_a_keyring_that_hung_on_one_host_is_asked_on_the_next(hosts: Hosts, isolated_home: Path) -> None:
    """The record that a keyring did not answer counts on the machine that wrote it, and on no other."""
    trip = """
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import keyring_breaker
from nimbus_sdk.config.paths import Paths
paths = Settings.load().paths
if NAME == "node0":
    keyring_breaker.trip(paths.keyring_breaker, reason="did not answer", patience=2.0, now=time.time())
    open("tripped", "w").close()
while not os.path.exists("tripped"):
    time.sleep(0.01)
results["resting"] = keyring_breaker.breaker_state(paths) is not None
"""
    if not has_hosts():
        trip = f"import platform\nplatform.node = lambda: NAME\n{trip}"
    names = ["node0", "node1"]
    working = [hosts.start(name, f"NAME = {name!r}\n{trip}") for name in names]
    hosts.go()
    assert [host.result()["resting"] for host in working] == [True, False]
