"""The command line as a whole: exit codes, invalid command lines, interruptions, closed outputs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nimbus_sdk.cli import main
from tests.cli.conftest import Nimbus
from tests.conftest import Fresh

KEY = "nbci_live_" + "0123456789abcdef" * 3


def test_a_foreign_error_keeps_its_traceback_without_values(fresh: Fresh) -> None:
    """A fault of ours is shown whole for a report, and no variable's content with it."""
    done = fresh(
        f"""
import nimbus_sdk.doctor.machine_status
from nimbus_sdk.cli import main

def fail(settings):
    key = "{KEY}"
    raise RuntimeError("a fault of ours")

nimbus_sdk.doctor.machine_status.explain_key = fail
main(["explain"])
""",
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "RuntimeError: a fault of ours" in done.stderr
    # The line that holds the key is one of the program above, not of the traceback's frames.
    assert KEY not in done.stderr


def test_an_interruption_ends_with_130(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C prints one word and ends with the exit code that shells use."""

    def interrupt(*, profile: str | None = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nimbus_sdk.current_session", interrupt)
    done = nimbus("quota")
    assert done.code == 130
    assert done.err == "\nInterrupted.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bogus",), "No such command"),
        (("status", "--bogus"), "No such option"),
        (("core",), "Missing command"),
        (("core", "use"), "Missing argument"),
        (("refresh", "--timeout", "soon"), "'--timeout'"),
    ],
)
def test_a_command_line_that_is_not_understood_ends_with_2(
    nimbus: Nimbus, arguments: tuple[str, ...], message: str
) -> None:
    """It says what is wrong and which help page to read; with --json as an object."""
    done = nimbus(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "--help`." in done.err
    error = nimbus(*arguments, "--json").error
    assert error["error"] == "UsageError"
    assert error["exit_code"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("install", KEY),
        ("install", f"--api-key={KEY}"),
        ("install", "--api-key", KEY),
        ("revoke", KEY, "--json"),
        ("sandbox", "keys", "revoke", KEY, "--db", "sandbox.db"),
        ("core", "use", KEY),
        ("models", KEY),
    ],
)
def test_a_key_on_the_command_line_is_not_repeated(nimbus: Nimbus, arguments: tuple[str, ...]) -> None:
    """Somebody who types a key there must not find it in a log of the output as well."""
    done = nimbus(*arguments)
    assert done.code != 0
    assert KEY not in done.out + done.err


def test_a_key_on_the_command_line_is_explained(nimbus: Nimbus) -> None:
    """After a key as an argument, the hint says where keys belong."""
    done = nimbus("install", KEY)
    assert done.code == 2
    assert "Never put a key on the command line" in done.err
    assert "--key-stdin" in done.err


def test_a_setting_that_cannot_be_used_ends_with_2(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with a wrong value is named."""
    monkeypatch.setenv("NIMBUS_SDK_TIMEOUT", "soon")
    done = nimbus("quota", "--json").error
    assert (done["error"], done["exit_code"]) == ("ConfigurationError", 2)
    assert "NIMBUS_SDK_TIMEOUT" in done["message"]


def test_a_reader_that_has_gone_is_no_traceback(isolated_home: Path) -> None:
    """`nimbus-sdk … | head -0` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "nimbus_sdk", "explain"],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 1
    assert done.stderr == b""


def test_a_version_that_nobody_reads_is_no_traceback(isolated_home: Path) -> None:
    """The shortest answer, too, ends quietly where the output is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nimbus_sdk", "--version"],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.qualification
def test_a_pipe_that_knows_no_such_letter_still_gets_the_rest(nimbus_fresh: Nimbus) -> None:
    """The … of a masked key does not end the command where the output is ASCII."""
    done = nimbus_fresh("explain", NIMBUS_API_KEY=KEY, PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert "nbci_live_0123...cdef" in done.out


def test_a_stream_that_knows_no_such_letter_still_gets_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The … of a masked key does not end the command where standard output is ASCII."""
    monkeypatch.setenv("NIMBUS_API_KEY", KEY)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    with pytest.raises(SystemExit) as ended:
        main(["explain"])
    assert ended.value.code == 0
    assert b"nbci_live_0123...cdef" in written.getvalue()


def test_errors_are_json_in_a_fresh_process_too(nimbus_process: Nimbus) -> None:
    """A program that runs the command reads its error and its exit code."""
    done = nimbus_process("core", "verify", "--json")
    assert done.code == 11
    assert json.loads(done.err)["error"] == "CoreNotInstalledError"
