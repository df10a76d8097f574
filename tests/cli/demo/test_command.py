"""`nimbus-sdk demo`, run as a user runs it: what it prints, what it leaves behind, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipapp
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from nimbus_sdk.cli.demo.run import REQUESTS, summarize
from nimbus_sdk.errors.python_environment import absolute_search_path
from tests.cli.conftest import Done, Nimbus

WHOLE_KEY = re.compile(r"nbci_(?:live|test)_[0-9a-f]{48}")
PROFILE_CHECK = "Your own profile is unchanged"
REPORT_KEYS = {
    "ok",
    "simulated",
    "seconds",
    "sandbox",
    "install",
    "decoding",
    "checks",
    "left_running",
}

PatchRun: TypeAlias = Callable[..., None]


@pytest.fixture
def temporary(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty, so that leftovers can be seen."""
    folder = isolated_home / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def _listing(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.fixture
def settings_of_the_user(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """Settings that must not reach the demo; returns what lists the user's own folders."""
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    monkeypatch.setenv("NIMBUS_SDK_PROFILE", "lab")
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_live_" + "0123456789abcdef" * 3)
    (isolated_home / "work" / ".env").write_text("NIMBUS_SDK_PROFILE=other\nNIMBUS_SDK_TIMEOUT=0.001\n")
    return lambda: set().union(*(_listing(isolated_home / name) for name in ("user", "nimbus", "work")))


def _check_steps(done: Done) -> None:
    assert done.code == 0, done.out + done.err
    for text in ("simulated", *REQUESTS, "accuracy", "predict", "All 6 checks passed"):
        assert text in done.out
    assert "FAILED" not in done.out
    assert "0123…" not in done.out


@pytest.mark.qualification
def test_the_demo_passes_and_leaves_nothing(
    nimbus_process: Nimbus, temporary: Path, settings_of_the_user: Callable[[], set[str]]
) -> None:
    """Exit code 0, every step printed, the user's profile and home unchanged, no file and no key left."""
    before = settings_of_the_user()
    done = nimbus_process("demo", "--verbose")
    _check_steps(done)
    assert done.err == ""
    assert "Its process has ended" in done.out
    assert not WHOLE_KEY.search(done.out)
    assert settings_of_the_user() == before
    assert _listing(temporary) == set()


@pytest.mark.qualification
def test_the_demo_as_json_and_from_a_zipapp(
    isolated_home: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --json one object holds every step and check; an invalid setting of the user does no harm.

    The interpreter alone does not find the SDK, which is in folders that the zipapp adds to sys.path.
    """
    monkeypatch.setenv("NIMBUS_SDK_TIMEOUT", "soon")
    source = isolated_home / "zipapp"
    source.mkdir()
    (source / "__main__.py").write_text(
        f"import sys\nsys.path += {absolute_search_path()}\nfrom nimbus_sdk.cli import main\nmain()\n"
    )
    zipapp.create_archive(source)
    base: str = sys._base_executable  # type: ignore[attr-defined]
    command = [base, str(source.with_suffix(".pyz")), "demo", "--json"]
    done = subprocess.run(command, cwd=isolated_home, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report.keys() == REPORT_KEYS
    assert report["ok"] is True
    assert report["simulated"] is True
    assert all(check["ok"] for check in report["checks"])
    assert len(report["checks"]) == 6
    assert [request["endpoint"] for request in report["install"]["requests"]] == list(REQUESTS)
    assert report["install"]["requests"][-1]["statuses"] == [302, 200]
    assert report["sandbox"]["stopped"] is True
    assert report["decoding"]["accuracy"] > 0.75
    assert report["decoding"]["network_libraries"] == []
    steps = ["start", "session", "load core", "load model", "simulate", "predict"]
    assert list(report["decoding"]["milliseconds"]) == steps
    assert report["left_running"] is None
    assert not WHOLE_KEY.search(done.stdout.decode())
    lines = summarize(report)
    assert len(lines) == 3
    assert lines[2].startswith("All 6 checks passed")
    report["checks"][0]["ok"] = False
    assert summarize(report)[2].startswith("FAILED  The install succeeded")


def test_keep_leaves_a_sandbox_that_can_be_used(
    nimbus_process: Nimbus, temporary: Path, settings_of_the_user: Callable[[], set[str]]
) -> None:
    """Steps and settings for a shell are printed: core and session are in place, and the sandbox answers."""
    before = settings_of_the_user()
    done = nimbus_process("demo", "--keep", "--verbose")
    pid = int(re.findall(r"kill (\d+)", done.out)[0])
    try:
        _check_steps(done)
        assert settings_of_the_user() == before
        environ = dict(re.findall(r"^export (\w+)=(.*)$", done.out, re.MULTILINE))
        assert environ.keys() >= {"NIMBUS_SDK_HOME", "NIMBUS_API_KEY", "NIMBUS_SDK_API_URL"}
        # The settings of this test's user are not those of the shell that is to use it.
        unset = {"NIMBUS_SDK_OFFLINE": "0", "NIMBUS_SDK_PROFILE": "default", "NIMBUS_SDK_TIMEOUT": "30"}
        environ = unset | environ
        assert nimbus_process("status", "--json", **environ).document["ready"] is True
        listed = nimbus_process(
            "sandbox", "keys", "list", "--url", environ["NIMBUS_SDK_API_URL"], "--json", **environ
        )
        assert len(listed.document["keys"]) == 1
    finally:
        os.kill(pid, signal.SIGTERM)
    assert _becomes_true(lambda: _is_refused(environ["NIMBUS_SDK_API_URL"]))
    # What stays is the one folder that the output names.
    assert _becomes_true(lambda: [f"rm -r {path}" in done.out for path in temporary.iterdir()] == [True])


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.qualification)],
)
def test_an_interrupted_demo_leaves_nothing(temporary: Path, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM end the sandbox and remove the folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nimbus_sdk", "demo", "--verbose"],
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
        # Ctrl-C reaches all processes of the terminal, SIGTERM only the one it is sent to.
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert process.returncode == code
        assert "Traceback" not in err
        assert _becomes_true(lambda: _is_gone(process.pid))
        assert _listing(temporary) == set()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "hatchling", "numpy"])
def test_without_the_extra_it_says_what_to_install(
    nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """A missing package is named with the pip command before anything is started, exit code 2."""
    monkeypatch.setitem(sys.modules, package, None)
    done = nimbus("demo", "--json")
    assert done.code == 2
    assert package in done.error["message"]
    assert '"starlette" "uvicorn" "hatchling" "numpy"' in done.error["hint"]


@pytest.fixture
def patched_run(monkeypatch: pytest.MonkeyPatch) -> PatchRun:
    """Lets the demo run its programs with further arguments, and calls a function before each of them."""
    real = subprocess.run

    def patch(before: Callable[[], object], *more: str) -> None:
        def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
            before()
            done: subprocess.CompletedProcess[bytes] = real([*command, *more], **options)
            return done

        monkeypatch.setattr(subprocess, "run", run)

    return patch


def _touch_profile(home: Path) -> None:
    (home / "nimbus" / "state").mkdir(exist_ok=True)
    (home / "nimbus" / "state" / "stranger").touch()


@pytest.mark.qualification
def test_a_changed_profile_fails_its_check(
    nimbus: Nimbus, isolated_home: Path, temporary: Path, patched_run: PatchRun
) -> None:
    """One new file in the user's own folders, made while the demo runs, is noticed."""
    patched_run(lambda: _touch_profile(isolated_home))
    done = nimbus("demo", "--json")
    assert done.code == 1
    assert [check["check"] for check in done.document["checks"] if not check["ok"]] == [PROFILE_CHECK]
    assert done.document["ok"] is False


@pytest.mark.qualification
def test_a_failed_install_ends_the_demo(nimbus: Nimbus, temporary: Path, patched_run: PatchRun) -> None:
    """If the install fails, nothing is decoded, the exit code is 1, and nothing stays behind."""
    patched_run(int, "--version", "9.9.9")
    done = nimbus("demo")
    assert done.code == 1
    assert "FAILED  The install succeeded" in done.out
    assert "4. Decode" not in done.out
    assert "2 of 3 checks failed" in done.out
    assert _listing(temporary) == set()


def test_a_failed_install_and_a_changed_profile_are_reported(
    nimbus: Nimbus,
    isolated_home: Path,
    temporary: Path,
    commands: Path,
    monkeypatch: pytest.MonkeyPatch,
    patched_run: PatchRun,
) -> None:
    """Nothing is decoded, document and summary have the failed checks, and nothing stays behind."""
    monkeypatch.setattr(sys, "executable", str(commands / "python"))
    patched_run(lambda: _touch_profile(isolated_home), "--version", "9.9.9")
    done = nimbus("demo", "--json")
    assert done.code == 1
    report = done.document
    assert report.keys() == REPORT_KEYS
    assert [check["ok"] for check in report["checks"]] == [False, False, False]
    assert report["checks"][-1]["check"] == PROFILE_CHECK
    assert (report["ok"], report["decoding"], report["left_running"]) == (False, None, None)
    assert report["install"]["exit_code"] == 11
    lines = summarize(report)
    assert lines[1].startswith("FAILED  The install succeeded")
    assert lines[-1].startswith("3 of 3 checks failed")
    assert not WHOLE_KEY.search(done.out)
    assert _listing(temporary) == set()


def test_a_sandbox_that_does_not_start_is_reported(
    nimbus: Nimbus, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of its log is in the message, the exit code is 2, and nothing stays behind."""
    broken = temporary.parent / "python3"
    broken.symlink_to("/bin/ls")
    monkeypatch.setattr(sys, "executable", str(broken))
    done = nimbus("demo", "--json")
    assert done.code == 2
    assert "The sandbox did not start" in done.error["message"]
    assert _listing(temporary) == set()


def _is_refused(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((str(parts.hostname), parts.port or 0), timeout=5).close()
    except ConnectionError as error:
        # A sandbox that is just ending resets connections.
        return isinstance(error, ConnectionRefusedError)
    return False


def _is_gone(process_group: int) -> bool:
    try:
        os.killpg(process_group, 0)
    except ProcessLookupError:
        return True
    return False


def _becomes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False
