"""Starting, stopping, and serving in the foreground."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox, serve
from tests.support.sandbox_requests import (
    HEALTH_REQUEST,
)

SERVE = """
import sys
from nimbus_sdk.sandbox import serve
def ready(sandbox, key):
    print(sandbox.api_url, key, flush=True)
for _ in range(2):
    serve(port=0, db=None, tier="commercial", on_ready=ready)
    print("over", flush=True)
"""


def test_two_sandboxes_are_independent(http, core_source):
    """Two at once have their own ports, keys, faults and journals."""
    with Sandbox(core_source=core_source) as one, Sandbox(core_source=core_source) as other:
        assert len({one.api_url, one.storage_url, other.api_url, other.storage_url}) == 4
        key = one.new_key()
        other.fault("validate", status=500)
        mine = http.post(f"{one.api_url}/v1/auth/validate", json={"api_key": key})
        theirs = [
            http.post(f"{other.api_url}/v1/auth/validate", json={"api_key": key}).status_code
            for _ in range(2)
        ]
        assert mine.status_code == 200
        assert theirs == [500, 401]
        assert (len(one.journal()), len(other.journal())) == (1, 2)


def test_the_environment_points_here_and_has_no_secret(sandbox):
    """The variables are the three addresses that a client needs."""
    key = sandbox.new_key()
    exports = sandbox.environment()
    assert exports == {
        "NIMBUS_SDK_API_URL": sandbox.api_url,
        "NIMBUS_SDK_GITHUB_URL": f"{sandbox.api_url}/github",
        "NIMBUS_SDK_CORE_REPO": "nimbusbci/NimbusSDKCore",
    }
    assert key not in repr(exports)


def test_the_services_are_on_the_api_port(sandbox):
    """Each service has its base URL on the API's port; the environment for the SDK does not name them."""
    assert sandbox.nimbus_os_url() == f"{sandbox.api_url}/nimbus-os/sandbox"
    assert sandbox.nimbus_os_url("production") == f"{sandbox.api_url}/nimbus-os/production"
    assert sandbox.neuroai_url == f"{sandbox.api_url}/neuroai"
    assert sandbox.nexus_url == f"{sandbox.api_url}/nexus"
    assert len(sandbox.environment()) == 3


def test_starting_and_stopping_leave_no_thread():
    """Three sandboxes, one after the other, leave nothing behind."""
    for _ in range(3):
        with Sandbox() as sandbox, httpx.Client(trust_env=False) as client:
            assert client.get(f"{sandbox.api_url}/api/health").status_code == 200
    assert not [thread for thread in threading.enumerate() if thread.name == "nimbus-sandbox"]


def test_a_sandbox_runs_once_at_a_time():
    """Starting twice is refused, stopping twice is not, and a stopped one has no address."""
    sandbox = Sandbox()
    sandbox.start()
    with pytest.raises(ConfigurationError, match="already running"):
        sandbox.start()
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(ConfigurationError, match="not running"):
        sandbox.api_url  # noqa: B018  a property that raises


@pytest.mark.parametrize("slow", [{"delay": 60}, {"drip": 0.02}])
def test_stopping_does_not_wait_for_slow_responses(core_source, slow):
    """A sandbox with a response delayed by a minute stops without it, and the peer notices."""
    sandbox = Sandbox(core_source=core_source)
    sandbox.start()
    sandbox.fault("health", **slow)
    place = urlsplit(sandbox.api_url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as line:
        line.sendall(HEALTH_REQUEST)
        while not sandbox.journal():
            time.sleep(0.005)
        sandbox.stop()
        assert b"healthy" not in line.recv(65536)


def test_serve_ends_cleanly_on_signals():
    """The foreground server prints its address, serves, and returns on Ctrl-C and on SIGTERM, and exits 0."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            url, key = server.stdout.readline().split()
            with httpx.Client(trust_env=False) as client:
                body = client.post(f"{url}/v1/auth/validate", json={"api_key": key}).json()
                server.send_signal(number)
            assert server.stdout.readline() == "over\n"
            assert body["license_type"] == "commercial"
        rest, errors = server.communicate(timeout=10)
    assert (server.returncode, rest, errors) == (0, "", "")


def test_importing_the_package_is_cheap():
    """Importing nimbus_sdk.sandbox loads neither starlette, uvicorn, sqlite3 nor hatchling."""
    heavy = {"starlette", "uvicorn", "sqlite3", "hatchling"}
    code = f"import sys, nimbus_sdk.sandbox; print(sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_ctrl_break_ends_it_in_order(monkeypatch):
    """On Windows another program ends it so; what it has opened is closed, and the old handler is back."""
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGURG, raising=False)
    before = signal.getsignal(signal.SIGURG)
    running = []

    def ready(sandbox: Sandbox, key: str) -> None:
        running.append(sandbox.api_url)
        signal.raise_signal(signal.SIGURG)

    serve(on_ready=ready)
    assert signal.getsignal(signal.SIGURG) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(running[0])
