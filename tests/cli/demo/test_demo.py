"""`nimbus-sdk demo`, run as a person runs it, and what it says where a promise breaks."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from nimbus_sdk.cli.demo import run
from nimbus_sdk.cli.demo.events import (
    EXPECTED,
    Chapter,
    Check,
    Decoded,
    Installed,
    Request,
    checks_of_decoding,
    checks_of_install,
)
from nimbus_sdk.cli.demo.offline import Decoding
from tests.cli.conftest import Nimbus

WHOLE_KEY = re.compile(r"nbci_(?:live|test)_[0-9a-f]{48}")
REQUESTS = tuple(Request(endpoint=endpoint, statuses=(200,), at_ms=1.0, bytes=1) for endpoint in EXPECTED)
INSTALLED = Installed(exit_code=0, version="0.1.0", requests=REQUESTS, milliseconds=1.0)
FOUND = Decoding(
    model="m",
    trials=200,
    chance=0.25,
    accuracy=0.85,
    mean_confidence=0.8,
    trained_on_simulated_data=True,
    license_type="research",
    stale=False,
    milliseconds={"start": 1.0},
    network_libraries=[],
)
DECODED = Decoded(exit_code=0, found=FOUND, milliseconds=1.0)


@pytest.fixture
def temporary(own_world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty, so that what is left behind can be seen."""
    folder = own_world / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def _listing(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_the_demo_holds_and_leaves_nothing(
    nimbus_process: Nimbus, own_world: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0, every step told, the person's profile and home as they were, no file and no key left."""
    # Whatever this person has set must not reach the demo.
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    monkeypatch.setenv("NIMBUS_SDK_PROFILE", "lab")
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_live_" + "0123456789abcdef" * 3)
    (own_world / "work" / ".env").write_text("NIMBUS_SDK_PROFILE=other\nNIMBUS_SDK_TIMEOUT=0.001\n")
    before = _listing(own_world / "user") | _listing(own_world / "nimbus") | _listing(own_world / "work")
    done = nimbus_process("demo")
    assert done.code == 0, done.out + done.err
    assert done.err == ""
    for said in ("simulated", *EXPECTED, "its process has ended", "accuracy", "predict", "Everything held"):
        assert said in done.out
    assert "FAILED" not in done.out
    assert not WHOLE_KEY.search(done.out)
    assert "0123…" not in done.out
    after = _listing(own_world / "user") | _listing(own_world / "nimbus") | _listing(own_world / "work")
    assert after == before
    assert _listing(temporary) == set()


def test_the_demo_as_a_document(nimbus_process: Nimbus, temporary: Path) -> None:
    """With --json one object tells every chapter and every check."""
    done = nimbus_process("demo", "--json")
    assert done.code == 0, done.err
    found = done.document
    assert found.keys() == {
        "held",
        "simulated",
        "seconds",
        "checks",
        "started",
        "installed",
        "cut",
        "decoded",
        "kept",
    }
    assert found["held"] is True
    assert all(check["held"] for check in found["checks"])
    assert len(found["checks"]) == 6
    assert [request["endpoint"] for request in found["installed"]["requests"]] == list(EXPECTED)
    assert found["installed"]["requests"][-1]["statuses"] == [302, 200]
    assert found["cut"]["stopped"] is True
    assert found["decoded"]["found"]["accuracy"] > 0.75
    assert found["decoded"]["found"]["network_libraries"] == []
    steps = ["start", "session", "load core", "load model", "simulate", "predict"]
    assert list(found["decoded"]["found"]["milliseconds"]) == steps
    assert found["kept"] is None
    assert not WHOLE_KEY.search(done.out)


def test_keep_leaves_a_sandbox_that_can_be_used(nimbus_process: Nimbus, temporary: Path) -> None:
    """--keep prints what leads a shell there: core and session are in place, and the sandbox answers."""
    done = nimbus_process("demo", "--keep")
    pid = int(re.findall(r"kill (\d+)", done.out)[0])
    try:
        assert done.code == 0, done.out + done.err
        exports = re.findall(r"^export (\w+)=(.*)$", done.out, re.MULTILINE)
        environ = dict(exports)
        assert environ.keys() >= {"NIMBUS_SDK_HOME", "NIMBUS_API_KEY", "NIMBUS_SDK_API_URL"}
        assert nimbus_process("status", "--json", **environ).document["ready"] is True
        listed = nimbus_process(
            "sandbox", "keys", "list", "--url", environ["NIMBUS_SDK_API_URL"], "--json", **environ
        )
        assert len(listed.document["keys"]) == 1
    finally:
        os.kill(pid, signal.SIGTERM)
    assert _comes_true(lambda: _refused(environ["NIMBUS_SDK_API_URL"]))
    # What stays is the one folder that the output names.
    assert _comes_true(lambda: [f"rm -r {path}" in done.out for path in temporary.iterdir()] == [True])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_ended_leaves_nothing(temporary: Path, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM end the sandbox and remove the folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nimbus_sdk", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("2."):
                break
        # Ctrl-C reaches all processes at the terminal, SIGTERM the one that was named.
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert process.returncode == code
        assert "Traceback" not in err
        assert _gone_group(process.pid)
        assert _listing(temporary) == set()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "build", "hatchling", "numpy"])
def test_without_the_extra_it_says_what_to_install(
    nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """A missing package is told with the pip command before anything is started, exit code 2."""
    monkeypatch.setitem(sys.modules, package, None)
    told = nimbus("demo", "--json")
    assert told.code == 2
    assert package in told.complaint["message"]
    assert 'pip install "nimbusbci-sdk[sandbox]"' in told.complaint["hint"]


def test_a_profile_that_was_touched_is_found_out(own_world: Path, temporary: Path) -> None:
    """The check of the person's own folders sees one file that came while the demo ran."""
    told: list[Chapter] = []

    def meddle(chapter: Chapter) -> None:
        told.append(chapter)
        (own_world / "nimbus" / "state").mkdir(exist_ok=True)
        (own_world / "nimbus" / "state" / "stranger").touch()

    run.play(meddle, keep=False, bars=False)
    failed = [chapter.promise for chapter in told if isinstance(chapter, Check) and not chapter.held]
    assert failed == ["Your own profile is untouched"]


def test_a_failed_installation_ends_the_story(
    nimbus: Nimbus, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the installation fails, nothing is decoded, the exit code is 1, and nothing stays behind."""
    real = subprocess.run

    def run(command: list[str], **rest: Any) -> subprocess.CompletedProcess[bytes]:
        done: subprocess.CompletedProcess[bytes] = real([*command, "--version", "9.9.9"], **rest)
        return done

    monkeypatch.setattr(subprocess, "run", run)
    done = nimbus("demo")
    assert done.code == 1
    assert "FAILED  The installation succeeded" in done.out
    assert "4. Decoding" not in done.out
    assert "Something did not hold" in done.out
    assert _listing(temporary) == set()


def test_a_sandbox_that_does_not_start_is_told(
    nimbus: Nimbus, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last words are in the message, the exit code is 2, and nothing stays behind."""
    monkeypatch.setattr(sys, "executable", "/bin/ls")
    told = nimbus("demo", "--json")
    assert told.code == 2
    assert "The sandbox did not start" in told.complaint["message"]
    assert _listing(temporary) == set()


def test_a_machine_without_a_usable_setting_has_nothing_to_touch(
    nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    """A setting that cannot be used is the person's own and does not stop the demo."""
    monkeypatch.setenv("NIMBUS_SDK_TIMEOUT", "soon")
    assert nimbus("demo").code == 0


@pytest.mark.parametrize(
    "installed",
    [
        replace(INSTALLED, exit_code=9, version=None),
        replace(INSTALLED, version=None),
        replace(INSTALLED, requests=REQUESTS[:3]),
        replace(INSTALLED, requests=(*REQUESTS, REQUESTS[0])),
        replace(INSTALLED, requests=tuple(reversed(REQUESTS))),
        replace(INSTALLED, requests=(*REQUESTS[:3], replace(REQUESTS[3], statuses=(302, 404)))),
    ],
)
def test_every_broken_installation_is_found_out(installed: Installed) -> None:
    """A failure, a request too few or too many, another order, a refused download: each breaks a check."""
    assert not all(check.held for check in checks_of_install(installed))


def test_a_whole_story_breaks_no_check() -> None:
    """The same facts, unbroken, hold."""
    assert all(check.held for check in checks_of_install(INSTALLED))
    assert all(check.held for check in checks_of_decoding(DECODED, requests=0))


@pytest.mark.parametrize(
    ("decoded", "requests"),
    [
        (replace(DECODED, exit_code=1), 0),
        (replace(DECODED, found=None), 0),
        (DECODED, 1),
        (replace(DECODED, found={**FOUND, "network_libraries": ["httpx"]}), 0),
        (replace(DECODED, found={**FOUND, "stale": True}), 0),
        (replace(DECODED, found={**FOUND, "accuracy": 0.49}), 0),
    ],
)
def test_every_broken_decoding_is_found_out(decoded: Decoded, requests: int) -> None:
    """A failure, one request, a network library, a stale session, chance level: each breaks a check."""
    assert not all(check.held for check in checks_of_decoding(decoded, requests))


def _refused(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((str(parts.hostname), parts.port or 0), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def _gone_group(group: int) -> bool:
    return _comes_true(lambda: _nobody_there(lambda: os.killpg(group, 0)))


def _nobody_there(send: Callable[[], None]) -> bool:
    try:
        send()
    except ProcessLookupError:
        return True
    return False


def _comes_true(gone: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if gone():
            return True
        time.sleep(0.02)
    return False
