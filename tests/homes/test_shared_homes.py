"""Several hosts with one home and no locks between them: work is done twice, and nothing is damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.homes.conftest import EXAMINER, TELL, Told
from tests.support.other_users import as_host, has_hosts

HOSTS = 3
# Network file systems whose locks everybody gets. The hosts begin in the same moment.
START = """
import fcntl, time, numpy
fcntl.flock = lambda *_: None
open("ready-{NAME}", "w").close()
while not os.path.exists("go"):
    time.sleep(0.005)
"""
INSTALL = """
for number in range(3):
    ask(f"install {number}", lambda: install(force=number > 0))
ask("who", lambda: [os.uname().nodename, os.getpid()])
"""
REFRESH = """
for number in range(4):
    ask(f"refresh {number}", lambda: nimbus_sdk.refresh_quota().stale)
"""
WATCH = """
looks, seen = 0, set()
while not os.path.exists("over"):
    looks += 1
    status = nimbus_sdk.check_installation()
    if status.installed and not status:
        ask("broken", lambda: list(status.problems))
        break
    if status.installed and not status.session:
        # Without locks one host's waiting session may lie over another's, for the moment between two writes.
        time.sleep(0.1)
        if not nimbus_sdk.check_installation().session:
            ask("broken", lambda: "a core without its session")
            break
    if status.session:
        seen.add(status.session.key_fingerprint)
told["looks"], told["seen"] = looks, sorted(seen)
"""


class Hosts:
    """Starts hosts at one home, lets them begin together, and gives what each told."""

    def __init__(self, desk: Path, pool: ThreadPoolExecutor) -> None:
        self._desk = desk
        self._pool = pool
        self._waiting = 0

    def start(self, name: str, code: str) -> Future[Told]:
        """Let a host come up; it waits for the others."""
        self._waiting += 1
        return self._pool.submit(self._live, name, START.replace("{NAME}", name) + code)

    def go(self) -> None:
        """Let all begin."""
        end = time.monotonic() + 30
        while len(list(self._desk.glob("ready-*"))) < self._waiting:
            assert time.monotonic() < end, "a host did not come up"
            time.sleep(0.01)
        (self._desk / "go").touch()

    def end(self) -> None:
        """Tell those who watch that it is over."""
        (self._desk / "over").touch()

    def _live(self, name: str, code: str) -> Told:
        command = [*as_host(name), sys.executable, "-W", "error", "-c", EXAMINER + code + TELL]
        done = subprocess.run(
            command, cwd=self._desk, env=os.environ, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{name}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        told: Told = json.loads(done.stdout)
        return told


@pytest.fixture
def hosts(desk: Path) -> Iterator[Hosts]:
    """Hosts that share this test's home."""
    with ThreadPoolExecutor(HOSTS + 1) as pool:
        hosts = Hosts(desk, pool)
        yield hosts
        hosts.go()
        hosts.end()


def test_hosts_without_locks_damage_nothing(hosts: Hosts, key: str, own_world: Path) -> None:
    """Three hosts install and upgrade at once while a fourth looks on: it never sees anything half done."""
    watching = hosts.start("watcher", WATCH)
    working = [hosts.start(f"node{number}", INSTALL) for number in range(HOSTS)]
    hosts.go()
    told = [host.result() for host in working]
    hosts.end()
    seen, fingerprint = watching.result(), ApiKey.parse(key).fingerprint
    for host in told:
        assert [host[f"install {number}"].get("value") for number in range(3)] == [fingerprint] * 3, host
    assert "broken" not in seen, seen
    assert seen["seen"] == [fingerprint]
    assert int(str(seen["looks"])) > 3
    if has_hosts():
        assert [host["who"]["value"] for host in told] == [[f"node{number}", 1] for number in range(HOSTS)]
    left = [path.name for path in (own_world / "nimbus").rglob("*.tmp")]
    assert left == []


def test_hosts_without_locks_renew_one_session(
    hosts: Hosts, fresh, key: str, sandbox: Sandbox, own_world: Path
) -> None:
    """Renewals from several hosts at once all succeed, and leave one whole session that any may read."""
    fresh("import pathlib, nimbus_sdk; nimbus_sdk.authenticate(pathlib.Path('key').read_text())")
    working = [hosts.start(f"node{number}", REFRESH) for number in range(HOSTS)]
    hosts.go()
    for host in working:
        told = host.result()
        assert [told[f"refresh {number}"].get("value") for number in range(4)] == [False] * 4, told
    code = "import nimbus_sdk; print(nimbus_sdk.current_session().key_fingerprint)"
    assert fresh(code).stdout.strip() == ApiKey.parse(key).fingerprint
    assert list((own_world / "nimbus").rglob("*damaged*")) == []


def test_a_keyring_that_hung_on_one_host_is_asked_on_the_next(hosts: Hosts, own_world: Path) -> None:
    """The note that a keyring did not answer binds the machine that it is of, and no other."""
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
told["resting"] = keyring_breaker.breaker_state(paths) is not None
"""
    if not has_hosts():
        trip = f"import platform\nplatform.node = lambda: NAME\n{trip}"
    names = ["node0", "node1"]
    working = [hosts.start(name, f"NAME = {name!r}\n{trip}") for name in names]
    hosts.go()
    assert [host.result()["resting"] for host in working] == [True, False]
