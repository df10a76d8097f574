"""`nimbus-sdk sandbox …`: served in a process of its own, its keys from a file or while it runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from nimbus_sdk.api.client import NimbusClient
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus

KEY = re.compile(r"nbci_test_[0-9a-f]{48}")


@contextmanager
def _served(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "nimbus_sdk", "sandbox", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture
def running(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox whose control token is in the environment."""
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", sandbox.control_token)
    return sandbox


def test_it_serves_until_ctrl_c_and_leaves_nothing(tmp_path: Path) -> None:
    """One line of JSON when it serves, all that a program needs in it, and a clean end."""
    with _served(tmp_path, "--tier", "commercial", "--json") as process:
        facts: dict[str, Any] = json.loads(_line(process))
        assert facts.keys() == {
            "api_url",
            "github_url",
            "storage_url",
            "pid",
            "tier",
            "key",
            "control_token",
            "environment",
        }
        assert (facts["pid"], facts["tier"]) == (process.pid, "commercial")
        with NimbusClient(facts["key"], base_url=facts["api_url"]) as client:
            assert client.validate().license_type == "commercial"
        assert Path(facts["environment"]["NIMBUS_SDK_HOME"]).is_dir()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_the_lines_for_a_shell_lead_to_it(tmp_path: Path, nimbus_process: Nimbus) -> None:
    """What it prints can be evaluated by a shell, and leads the SDK to the sandbox and a home of its own."""
    with _served(tmp_path) as process:
        lines = [_line(process) for _ in range(9)]
        assert sum(line.startswith("export ") for line in lines) == 7
        script = "".join(lines) + f'"{sys.executable}" -m nimbus_sdk install --json\n'
        done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["session"]["key_source"] == "environment"
        assert found["core"]["path"].startswith(str(tmp_path))
        process.terminate()
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_reported(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """It ends with 2 instead of a traceback."""
    done = nimbus("sandbox", "serve", "--port", sandbox.api_url.rpartition(":")[2], "--json")
    assert done.code == 2
    assert done.error["error"] == "ConfigurationError"


def test_an_unknown_tier_is_reported(nimbus: Nimbus) -> None:
    """The message lists those that there are."""
    done = nimbus("sandbox", "serve", "--tier", "gold")
    assert done.code == 2
    assert "research" in done.err


def test_keys_of_a_file(nimbus: Nimbus, tmp_path: Path) -> None:
    """Create, list and revoke on a database file; only `create` ever shows a key."""
    db = str(tmp_path / "sandbox.db")
    arguments = ("--tier", "free", "--kind", "live", "--used", "9999", "--expires-at", "2099-01-31T00:00Z")
    made = nimbus("sandbox", "keys", "create", "--db", db, *arguments)
    key = made.out.strip()
    assert re.fullmatch(r"nbci_live_[0-9a-f]{48}", key)
    listed = nimbus("sandbox", "keys", "list", "--db", db, "--json").document["keys"]
    assert [(one["license_type"], one["used"]) for one in listed] == [("free", 9999)]
    assert listed[0]["expires_at"].startswith("2099-01-31")
    revoked = nimbus("sandbox", "keys", "revoke", listed[0]["fingerprint"], "--db", db, "--reason", "test")
    assert revoked.code == 0
    text = nimbus("sandbox", "keys", "list", "--db", db)
    assert listed[0]["fingerprint"] in text.out
    assert key not in text.out + revoked.out
    again = nimbus("sandbox", "keys", "revoke", listed[0]["fingerprint"], "--db", db)
    assert again.code == 2


def test_keys_of_a_running_sandbox(nimbus: Nimbus, running: Sandbox) -> None:
    """The same three on a sandbox in another process, with its token from the environment."""
    url = running.api_url
    arguments = ("--tier", "free", "--expires-at", "2099-01-31T00:00Z", "--json")
    key = nimbus("sandbox", "keys", "create", "--url", url, *arguments).document["key"]
    assert KEY.fullmatch(key)
    with NimbusClient(key) as client:
        assert client.validate().license_type == "free"
    listed = nimbus("sandbox", "keys", "list", "--url", url, "--json").document["keys"]
    fingerprint = listed[-1]["fingerprint"]
    done = nimbus("sandbox", "keys", "revoke", fingerprint, "--url", url, "--reason", "test", "--json")
    assert done.document == {"revoked": True}
    assert [entry["reason"] for entry in running.audit()] == ["test"]


def test_a_sandbox_without_keys_says_how_to_make_one(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence is printed, not headers without rows."""
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", sandbox.control_token)
    empty = nimbus("sandbox", "keys", "list", "--url", sandbox.api_url)
    assert empty.out == "There are no keys. Run `nimbus-sdk sandbox keys create`.\n"


def test_the_control_token_is_needed_and_checked(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the token nothing is asked; a wrong one is refused; neither is shown."""
    arguments = ("sandbox", "keys", "list", "--url", sandbox.api_url, "--json")
    missing = nimbus(*arguments)
    assert missing.code == 2
    assert "NIMBUS_SDK_SANDBOX_TOKEN" in missing.error["message"]
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", "wrong-token-of-somebody")
    wrong = nimbus(*arguments)
    assert wrong.code == 2
    assert "rejected the control token" in wrong.error["message"]
    assert "wrong-token" not in wrong.err


@pytest.mark.parametrize(
    "address", ["https://api.nimbusbci.com", "http://192.0.2.1:80", "http://example.com"]
)
def test_the_control_token_never_leaves_this_machine(nimbus: Nimbus, running: Sandbox, address: str) -> None:
    """An address that is not on the loopback is refused before anything is sent."""
    done = nimbus("sandbox", "keys", "list", "--url", address)
    assert done.code == 2
    assert "not a sandbox on this machine" in done.err


def test_one_sandbox_must_be_named(nimbus: Nimbus) -> None:
    """Neither and both of --db and --url are refused."""
    assert nimbus("sandbox", "keys", "list").code == 2
    both = ("--db", "sandbox.db", "--url", "http://127.0.0.1:1")
    assert nimbus("sandbox", "keys", "list", *both).code == 2


@pytest.mark.parametrize(
    "arguments",
    [("--expires-at", "soon"), ("--expires-at", "2099-01-31T00:00"), ("--kind", "gold"), ("--tier", "gold")],
)
@pytest.mark.parametrize("where", ["file", "running"])
def test_a_key_that_cannot_be_is_refused(
    nimbus: Nimbus, running: Sandbox, tmp_path: Path, arguments: tuple[str, ...], where: str
) -> None:
    """A slip in what the key is to be ends with 2, in a file as on a running sandbox."""
    place = ("--db", str(tmp_path / "s.db")) if where == "file" else ("--url", running.api_url)
    assert nimbus("sandbox", "keys", "create", *place, *arguments).code == 2


def test_a_key_is_not_named_by_itself(nimbus: Nimbus, running: Sandbox) -> None:
    """`revoke` takes a fingerprint: a key on the command line is refused and not repeated."""
    key = running.new_key()
    done = nimbus("sandbox", "keys", "revoke", key, "--url", running.api_url)
    assert done.code == 2
    assert key not in done.err
    assert "fingerprint" in done.err


def test_nobody_at_the_address_ends_with_9(
    nimbus: Nimbus, running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox that has ended is reported as such."""
    url = running.api_url
    running.stop()
    done = nimbus("sandbox", "keys", "list", "--url", url, "--json")
    assert (done.code, done.error["error"]) == (9, "NimbusConnectionError")


@pytest.mark.parametrize("content", [b"<html>hello</html>", b"[]", b'{"other": 1}'])
def test_something_else_at_the_address_ends_with_8(
    nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Another program on that port is not taken for a sandbox."""
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", "token")

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        done = nimbus("sandbox", "keys", "list", "--url", f"http://127.0.0.1:{server.server_port}")
        thread.join()
    assert done.code == 8
