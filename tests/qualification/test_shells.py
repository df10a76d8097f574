"""Completion in the shells themselves: type a line, press Tab, read the line on the screen."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nimbus_sdk import install_core
from nimbus_sdk.sandbox import Sandbox

pytestmark = pytest.mark.qualification

SHELLS = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(_NIMBUS_SDK_COMPLETE=source_bash nimbus-sdk)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u; eval "$(_NIMBUS_SDK_COMPLETE=source_zsh nimbus-sdk)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "_NIMBUS_SDK_COMPLETE=source_fish nimbus-sdk | source"),
}
LINES = {
    "nimbus-sdk models mot": "motor_imagery_4class_v1",
    "nimbus-sdk core use ": "0.1.0",
    "nimbus-sdk status --profile q": "quokka",
    "nimbus-sdk sandbox serve --tier r": "research",
    "nimbus-sdk nimbus-os get --environment p": "production",
    "nimbus-sdk sand": "sandbox",
}
SECONDS = 30.0


@contextmanager
def _opened(shell: str, environ: dict[str, str]) -> Iterator[int]:
    """A shell at a terminal; yields the descriptor to type at and to read from."""
    pty = pytest.importorskip("pty")
    program, setup = SHELLS[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(program[0], program, environ)
    try:
        os.write(terminal, f"{setup}; echo rea''dy\n".encode())
        _read_until(terminal, "ready\r\n")
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _read_until(terminal: int, text: str) -> str:
    seen, deadline = "", time.monotonic() + SECONDS
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, f"{text!r} was not seen in {seen!r}"
        seen += os.read(terminal, 65536).decode("utf-8", "replace")
        for query, answer in (("\x1b[c", "\x1b[?62c"), ("\x1b[6n", "\x1b[1;1R")):
            if query in seen:
                os.write(terminal, answer.encode())
    return seen


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_a_value(shell: str, sandbox: Sandbox, key: str, tmp_path: Path) -> None:
    """Models, versions, profiles, tiers, environments and commands are completed from their first letters."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is missing")
    install_core(key)
    install_core(sandbox.new_key(), profile="quokka")
    program = tmp_path / "nimbus-sdk"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m nimbus_sdk "$@"\n')
    program.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "TERM": "xterm",
        "HOME": str(tmp_path),
    }
    for line, completed in LINES.items():
        with _opened(shell, environ) as terminal:
            os.write(terminal, f"{line}\t".encode())
            rest = completed.removeprefix(line.rpartition(" ")[2])
            _read_until(terminal, rest)
