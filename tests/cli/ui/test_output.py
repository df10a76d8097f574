"""Colours, widths and styles of the output."""

from __future__ import annotations

import io
import os
import re

import pytest

from nimbus_sdk.cli.ui.output import line_width
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import AtTerminal, Nimbus


def test_no_is_no_bad_news_by_itself(terminal: AtTerminal, sandbox: Sandbox, signed_in: str) -> None:
    """A session that is not stale, on a machine that is not offline, is not shown in red; names are bold."""
    screen = terminal("status")
    assert screen.ended() == 0
    lines = screen.seen.replace("\r", "").splitlines()
    for name in ("offline", "stale"):
        (line,) = (line for line in lines if f"  {name} " in line)
        assert line.endswith("\x1b[0mno")


def test_colour_is_for_terminals_alone(
    terminal: AtTerminal, nimbus_process: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escape codes go to a terminal, never into a pipe; NO_COLOR takes the colours away there too."""
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_test_" + "0" * 48)
    colours = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    at_screen = terminal("explain")
    assert at_screen.ended() == 0
    assert colours.search(at_screen.seen)
    piped = nimbus_process("explain", TERM="xterm-256color")
    assert "\x1b" not in piped.out + piped.err
    plain = terminal("explain", NO_COLOR="1")
    assert plain.ended() == 0
    assert not colours.search(plain.seen)


def test_a_narrow_terminal_does_not_cut_what_is_piped(nimbus_process: Nimbus, sandbox: Sandbox) -> None:
    """A file gets whole lines, however narrow COLUMNS says the terminal is."""
    done = nimbus_process("explain", COLUMNS="40")
    assert os.environ["NIMBUS_SDK_HOME"] in done.out


def test_a_terminal_without_a_size_has_the_usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a stream of another library that says it is a terminal; a pipe has no width at all."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("COLUMNS", raising=False)
    assert (line_width(Screen()), line_width(io.StringIO()), line_width(None)) == (80, None, None)
    for text, width in (("100", 100), ("0", 80), ("-5", 80), ("wide", 80)):
        monkeypatch.setenv("COLUMNS", text)
        assert line_width(Screen()) == width


@pytest.mark.parametrize(
    ("command", "columns"), [("explain", 80), ("explain", 60), ("status", 80), ("status", 40)]
)
def test_no_line_is_wider_than_the_terminal(
    terminal: AtTerminal, sandbox: Sandbox, signed_in: str, command: str, columns: int
) -> None:
    """Tables, names with values, and sentences are folded; a word is never cut."""
    screen = terminal(command, COLUMNS=str(columns))
    assert screen.ended() == 0
    lines = re.sub(r"\r|\x1b\[[0-9;]*m", "", screen.seen).splitlines()
    parts = {part for line in lines for part in re.findall(r"[^\s/]+/?", line)}
    assert {"NIMBUS_API_KEY", "session", "credentials.json"} & parts
    too_long = [line for line in lines if len(line) > columns]
    assert all(len(re.findall(r"[^\s/]+/*", line)) <= 2 for line in too_long), too_long


def test_an_error_is_folded_at_a_terminal_and_a_command_in_it_stays_whole(
    terminal: AtTerminal, sandbox: Sandbox
) -> None:
    """A line break inside a command would run half of it when pasted."""
    screen = terminal("core", "verify", COLUMNS="40")
    assert screen.ended() == 11
    lines = re.sub(r"\r|\x1b\[[0-9;]*m", "", screen.seen).splitlines()
    assert len(lines) > 2
    assert any("`nimbus-sdk install`" in line for line in lines)
