"""The control plane of a sandbox: the token, the address, and who answers there."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus


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
