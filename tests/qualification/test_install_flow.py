"""The main flow, in fresh interpreters: install once, nothing to do again, everything offline afterwards."""

from __future__ import annotations

import json

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.support.raw_server import Ender

FOUR_REQUESTS = ["validate", "github_token", "release", "asset", "storage"]
"""The redirect to the storage host counts with the asset."""

HEAVY = frozenset(
    {
        *("httpcore", "keyring", "pydantic", "filelock", "rich", "typer"),
        *("tenacity", "anyio", "numpy", "platformdirs", "truststore"),
    }
)

INSTALL = """
import pathlib, nimbus_sdk
print(nimbus_sdk.install_core(pathlib.Path("../key").read_text()).key_fingerprint)
"""

AGAIN = """
import sys, nimbus_sdk
print(nimbus_sdk.install_core().key_fingerprint)
"""

OFFLINE = """
import json, sys

class Unwanted:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "keyring" or name.startswith("keyring."):
            raise AssertionError("the keyring was asked")

def no_network(*_, **__):
    raise AssertionError("the network was asked")

sys.meta_path.insert(0, Unwanted)
import socket
socket.socket.__init__ = no_network
socket.getaddrinfo = socket.create_connection = no_network
before = set(sys.modules)

import nimbus_sdk
session = nimbus_sdk.current_session()
loaded = sorted(name for name in set(sys.modules) - before if "." not in name)

model = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, "motor_imagery_4class_v1")
import nimbus_sdk_core
result = nimbus_sdk.predict_batch(model, nimbus_sdk_core.simulate("motor_imagery", n_trials=80, seed=7))
print(json.dumps({
    "fingerprint": session.key_fingerprint,
    "stale": session.stale,
    "loaded": loaded,
    "accuracy": float(result.accuracy),
    "trials": len(result.predictions),
    "modules": sorted(set(sys.modules)),
}))
"""

IMPORT = """
import sys
before = set(sys.modules)
import nimbus_sdk
print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture
def installed(sandbox: Sandbox, key: str, isolated_home, forked) -> str:
    """A key with which everything was installed in a process of its own."""
    (isolated_home / "key").write_text(key)
    forked(INSTALL)
    return key


def test_the_first_install_makes_four_requests_in_order(installed: str, sandbox: Sandbox) -> None:
    """Validate, token, release, asset: each once, in that order, and nothing else."""
    assert [exchange.endpoint for exchange in sandbox.journal()] == FOUR_REQUESTS
    assert [exchange.status for exchange in sandbox.journal()] == [200, 200, 200, 302, 200]


@pytest.mark.tiny_core
@pytest.mark.parametrize("code", [INSTALL, AGAIN], ids=["same key given", "no key given"])
def test_installing_again_sends_no_request(installed: str, sandbox: Sandbox, forked, code: str) -> None:
    """With the core whole and the session younger than an hour, a second run makes no request at all."""
    sandbox.clear_journal()
    assert forked(code).stdout.strip() == ApiKey.parse(installed).fingerprint
    assert sandbox.journal() == []


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(True, id="NIMBUS_SDK_HOME"),
        pytest.param(False, id="platform folders", marks=pytest.mark.qualification),
    ],
)
def test_a_fresh_offline_process_needs_neither_network_nor_keyring(
    sandbox: Sandbox,
    end: Ender,
    key: str,
    isolated_home,
    fresh,
    forked,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:
    """With the service gone, a session is verified without heavy imports, and a model decodes trials."""
    if not named:
        monkeypatch.delenv("NIMBUS_SDK_HOME")
    (isolated_home / "key").write_text(key)
    forked(INSTALL)
    count_requests = len(sandbox.journal())
    end(sandbox)
    seen = json.loads(fresh(OFFLINE, NIMBUS_SDK_OFFLINE="1").stdout)
    assert count_requests == len(FOUR_REQUESTS)
    assert seen["fingerprint"] == ApiKey.parse(key).fingerprint
    assert not seen["stale"]
    assert HEAVY & set(seen["loaded"]) <= (frozenset() if named else {"platformdirs"})
    assert not {"httpcore", "keyring", "pydantic"} & set(seen["modules"])
    assert seen["trials"] == 80
    assert seen["accuracy"] > 0.6


def test_importing_the_sdk_imports_nothing_heavy(fresh) -> None:
    """``import nimbus_sdk`` loads its own version and nothing that a program would have to wait for."""
    loaded = set(fresh(IMPORT).stdout.split())
    assert not HEAVY & loaded
    assert loaded <= {"nimbus_sdk", "nimbus_sdk._version", "__future__"}


@pytest.mark.tiny_core
def test_an_offline_install_of_an_installed_core_sends_no_request(
    installed: str, sandbox: Sandbox, end: Ender, forked
) -> None:
    """``install_core(offline=True)`` returns the session of what is installed, with the service gone."""
    end(sandbox)
    code = "import nimbus_sdk; print(nimbus_sdk.install_core(offline=True).key_fingerprint)"
    assert forked(code).stdout.strip() == ApiKey.parse(installed).fingerprint
