"""`nimbus-sdk bundle`: the passphrase at a terminal."""

from __future__ import annotations

from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import AtTerminal


def test_a_short_passphrase_is_refused_before_it_is_typed_again(
    terminal: AtTerminal, sandbox: Sandbox
) -> None:
    """The prompt says how long it must be, and the length is checked after the first input."""
    screen = terminal("bundle", "create", "lab.nimbus")
    screen.wait_for("Passphrase of the bundle (12 characters or more): ")
    screen.type("eleven char\n")
    assert screen.ended() == 2
    assert "fewer than 12 characters" in screen.seen
    assert "Repeat the passphrase" not in screen.seen
    assert "eleven char" not in screen.seen
    assert sandbox.journal() == []
