"""Starting, stopping, serving in the foreground, and living without the extra."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.sandbox.http.listener import Listener, bind_port

SERVE = """
import sys
from nimbus_sdk.sandbox import serve
def ready(sandbox, key):
    print(sandbox.api_url, key, flush=True)
serve(port=0, db=None, tier="commercial", on_ready=ready)
print("over", flush=True)
"""

WITHOUT_EXTRA = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("starlette", "uvicorn", "h11"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import nimbus_sdk.sandbox
from nimbus_sdk.sandbox import Sandbox, create_key
create_key(__import__("pathlib").Path(sys.argv[1]))
try:
    Sandbox().start()
except ImportError as fault:
    print(type(fault).__name__, fault)
"""


def test_two_sandboxes_are_strangers(http, core_source):
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


def test_the_environment_leads_here_and_holds_no_secret(sandbox):
    """The exports are the three addresses a client needs."""
    key = sandbox.new_key()
    exports = sandbox.environment()
    assert exports == {
        "NIMBUS_SDK_API_URL": sandbox.api_url,
        "NIMBUS_SDK_GITHUB_URL": f"{sandbox.api_url}/github",
        "NIMBUS_SDK_CORE_REPO": "nimbusbci/NimbusSDKCore",
    }
    assert key not in repr(exports)


def test_a_taken_port_is_named(sandbox):
    """A port in use is a configuration error that names it."""
    port = int(sandbox.api_url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=str(port)):
        Sandbox(port=port).start()


def test_a_fixed_port_can_be_taken_again_at_once(http):
    """A sandbox restarts on its port while connections of before linger."""
    with Sandbox() as first:
        port = int(first.api_url.rpartition(":")[2])
        http.get(f"{first.api_url}/api/health")
    with Sandbox(port=port) as second:
        assert second.api_url == first_url(port)
        assert http.get(f"{second.api_url}/api/health").status_code == 200


def first_url(port):
    """The address of a port on the loopback."""
    return f"http://127.0.0.1:{port}"


def test_starting_and_stopping_take_milliseconds_and_leave_no_thread():
    """Ten sandboxes, one after the other, take less than a second and leave nothing behind."""
    began = time.monotonic()
    for _ in range(10):
        with Sandbox() as sandbox, httpx.Client(trust_env=False) as client:
            assert client.get(f"{sandbox.api_url}/api/health").status_code == 200
    assert time.monotonic() - began < 2
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_on_signals(number):
    """The foreground server prints its address, serves, and exits 0 on Ctrl-C and on SIGTERM."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as server:
        url, key = server.stdout.readline().split()
        with httpx.Client(trust_env=False) as client:
            body = client.post(f"{url}/v1/auth/validate", json={"api_key": key}).json()
            server.send_signal(number)
            rest, complaints = server.communicate(timeout=10)
    assert body["license_type"] == "commercial"
    assert (server.returncode, rest, complaints) == (0, "over\n", "")


def test_without_the_extra_the_error_names_the_command(tmp_path):
    """Importing works, keys can be made, and starting says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA, str(tmp_path / "keys.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("SandboxUnavailableError The sandbox needs starlette")
    assert 'pip install "nimbusbci-sdk[sandbox]"' in done.stdout


def test_importing_the_package_costs_nothing():
    """Importing nimbus_sdk.sandbox loads neither starlette, uvicorn, sqlite3 nor hatchling."""
    heavy = {"starlette", "uvicorn", "sqlite3", "hatchling"}
    code = f"import sys, nimbus_sdk.sandbox; print(sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_server_that_cannot_start_says_why():
    """The fault that ends the server's thread is raised where it was started."""
    listening = bind_port(0)
    listening.close()
    with pytest.raises(OSError, match=r"[Bb]ad file descriptor|not a socket|invalid"):
        Listener({listening: None}).start()


def test_answers_on_a_kept_connection_are_not_held_back(sandbox, http):
    """Forty answers on one connection take far less than the 40 ms each that Nagle's delay would cost."""
    http.get(f"{sandbox.api_url}/api/health")
    began = time.monotonic()
    for _ in range(40):
        http.get(f"{sandbox.api_url}/api/health")
    assert time.monotonic() - began < 0.8
