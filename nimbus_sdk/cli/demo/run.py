"""``nimbus-sdk demo``: an install and offline decoding, without an account, in child processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple, TypeAlias, cast

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, flag
from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE, JournalEntry, SandboxControl
from nimbus_sdk.cli.ui.signals import exit_on_signals
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import KEY_VARIABLE, Settings
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.python_environment import absolute_search_path, find_interpreter
from nimbus_sdk.transport.redaction import sanitize

REQUESTS = ("validate", "github_token", "release", "asset")
"""What an install requests, in the documented order."""

ACCURACY_MARGIN = 0.25
"""By how much the accuracy must exceed chance."""

START_SECONDS, STOP_SECONDS = 60.0, 10.0
_RESULT = (
    "{trials} simulated trials: accuracy {accuracy:.1%} (chance {chance:.0%}), "
    "confidence {mean_confidence:.2f}"
)
Say: TypeAlias = Callable[..., None]
Request: TypeAlias = tuple[str, list[int | None]]
"""An endpoint and the statuses of its answers: two if there was a redirect."""


def demo(
    keep: Annotated[bool, flag("--keep", "Leave the sandbox running and print how to use it.")] = False,
    verbose: Annotated[bool, flag("--verbose", "Print every step and every check.")] = False,
    as_json: Json = False,
) -> None:
    """Install a core and decode with it offline, all on this machine.

    Needs no account and no internet: a sandbox replaces the service, recordings and model are simulated.
    Your own profile is not touched: everything is in a temporary folder, which is removed at the end.
    Exits with 0 only if every check passed.

    JSON: ok, simulated, seconds, checks [{check, ok, detail}], sandbox {api_url, key_masked, stopped},
    install {exit_code, version, requests [{endpoint, statuses}]},
    decoding (what the offline process printed, or null), left_running {pid, folder, environment} or null

    Examples:
      nimbus-sdk demo
      nimbus-sdk demo --verbose
      nimbus-sdk demo --keep
    """
    say: Say = output.print_text if verbose and not as_json else lambda *_: None
    report = Demo(say, keep=keep).run()
    output.show_text(report, *([] if verbose else summarize(report)), as_json=as_json)
    if not as_json:
        output.print_lines(*_explain_use(report))
    if not report["ok"]:
        raise typer.Exit(1)


class Check(NamedTuple):
    """A promise, whether it is fulfilled, and what was observed."""

    check: str
    ok: bool
    detail: str


class Demo:
    """One run of the demo; ``say`` prints lines step by step, ``keep`` leaves the sandbox and its folder.

    Raises:
        SandboxUnavailableError: The ``sandbox`` extra is not installed.
        ConfigurationError: There is no interpreter to start.
    """

    def __init__(self, say: Say, *, keep: bool) -> None:
        _require_sandbox_extra()
        python = find_interpreter()
        if python is None:
            raise ConfigurationError(
                "The demo starts processes of its own, and this program embeds Python.",
                hint="Run it with an ordinary Python.",
            )
        self._python = python
        self._say, self._keep = say, keep
        self._environ: dict[str, str] = {}
        self._checks: list[Check] = []
        self._report: dict[str, Any] = dict.fromkeys(("sandbox", "install", "decoding", "left_running"))

    def run(self) -> dict[str, Any]:
        """Run every step, clean up however they end, and return the report for JSON."""
        began = time.perf_counter()
        with exit_on_signals(), ExitStack() as cleanup:
            folder = Path(tempfile.mkdtemp(prefix="nimbus-demo-"))
            cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
            self._run_steps(folder, cleanup)
            if self._keep:
                cleanup.pop_all()
        seconds = round(time.perf_counter() - began, 2)
        checks = [check._asdict() for check in self._checks]
        ok = all(check.ok for check in self._checks)
        report = {"ok": ok, "simulated": True, "seconds": seconds, "checks": checks, **self._report}
        self._say("", _verdict(report))
        return report

    def _run_steps(self, folder: Path, cleanup: ExitStack) -> None:
        profile = _profile_folders()
        before = _snapshot(profile)
        self._environ = _clean_environment(folder)
        self._say("A sandbox replaces the service; recordings and model are simulated.", "")
        self._say("1. Start a sandbox in a process of its own")
        command = [self._python, "-m", "nimbus_sdk", "sandbox", "serve", "--json"]
        sandbox = SandboxProcess(command, folder, self._environ, detached=self._keep)
        cleanup.callback(sandbox.stop)
        key = ApiKey.parse(sandbox.key).masked
        self._say(f"   It serves on {sandbox.api_url} and issued the research key {key}")
        self._report["sandbox"] = {"api_url": sandbox.api_url, "key_masked": key, "stopped": False}
        environment = sandbox.environment | {"NIMBUS_SDK_HOME": self._environ["NIMBUS_SDK_HOME"]}
        self._environ |= environment
        del self._environ[KEY_VARIABLE], self._environ[TOKEN_VARIABLE]
        if self._install(sandbox):
            self._decode_offline(sandbox)
        unchanged = before == _snapshot(profile)
        self._record(Check("Your own profile is unchanged", unchanged, ", ".join(profile) or "there is none"))
        if self._keep:
            left = {"pid": sandbox.pid, "folder": str(folder), "environment": environment}
            self._report["left_running"] = left

    def _install(self, sandbox: SandboxProcess) -> bool:
        self._say("2. Run `nimbus-sdk install --key-stdin` in a fresh process")
        command = ("nimbus_sdk", "install", "--key-stdin", "--json", "--no-progress")
        exit_code, installed = self._run_python(*command, stdin=f"{sandbox.key}\n")
        version = installed.get("core", {}).get("version")
        requests = merge_redirects(sandbox.control.journal())
        listed = [{"endpoint": endpoint, "statuses": statuses} for endpoint, statuses in requests]
        self._report["install"] = {"exit_code": exit_code, "version": version, "requests": listed}
        self._record(*check_install(exit_code, version, requests))
        return exit_code == 0

    def _decode_offline(self, sandbox: SandboxProcess) -> None:
        before = len(sandbox.control.journal())
        if self._keep:
            self._say("3. Leave the sandbox running", "   Its log will show any request")
        else:
            self._say("3. Stop the sandbox")
            sandbox.stop()
            self._report["sandbox"]["stopped"] = True
            self._say("   Its process has ended; a request would fail")
        self._say("4. Decode with NIMBUS_SDK_OFFLINE=1 in another fresh process")
        self._environ["NIMBUS_SDK_OFFLINE"] = "1"
        exit_code, decoding = self._run_python("nimbus_sdk.cli.demo.offline", str(time.time()))
        if decoding:
            steps = ", ".join(f"{step} {spent:,.1f}" for step, spent in decoding["milliseconds"].items())
            self._say(f"   Milliseconds: {steps}", f"   {decoding['model']} on {_RESULT.format(**decoding)}")
            self._report["decoding"] = decoding
        requests = len(sandbox.control.journal()) - before if self._keep else 0
        self._record(*check_decoding(exit_code, decoding, requests))

    def _record(self, *checks: Check) -> None:
        self._checks += checks
        self._say(*(f"   {'ok    ' if ok else 'FAILED'}  {check} ({detail})" for check, ok, detail in checks))

    def _run_python(self, *arguments: str, stdin: str = "") -> tuple[int, dict[str, Any]]:
        """Run a module in a fresh process and return its exit code and JSON output."""
        child = subprocess.run(
            [self._python, "-m", *arguments],
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            cwd=Path(self._environ["NIMBUS_SDK_HOME"]).with_name("project"),
            env=self._environ,
            check=False,
            # Ctrl-C is handled here: a Python that is just starting would print a traceback.
            start_new_session=True,
        )
        try:
            return child.returncode, json.loads(child.stdout)
        except ValueError:
            return child.returncode, {}


class SandboxProcess:
    """``nimbus-sdk sandbox serve --json`` in a child process, until ``stop``; its log is in the folder.

    ``detached`` lets it outlive this process and its terminal.

    Raises:
        ConfigurationError: It did not start; the message ends with the last line of its log.
    """

    def __init__(self, command: list[str], folder: Path, environ: dict[str, str], *, detached: bool) -> None:
        log = folder / "sandbox.log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=detached,
                # A group of its own can be sent Ctrl-Break, which ends it in order.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        # A sandbox that hangs must not hang the demo: once killed, it closes the pipe that is read here.
        timer = threading.Timer(START_SECONDS, self._process.kill)
        timer.start()
        try:
            with cast("IO[bytes]", self._process.stdout) as stdout:
                facts = json.loads(stdout.readline())
        except BaseException as error:
            self.stop()
            if not isinstance(error, ValueError):
                raise
            last = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
            message = f"The sandbox did not start: {sanitize(last) or 'its log is empty.'}"
            raise ConfigurationError(message, hint="") from None
        finally:
            timer.cancel()
        self.api_url, self.key, self.pid = str(facts["api_url"]), str(facts["key"]), self._process.pid
        self.environment: dict[str, str] = facts["environment"]
        self.control = SandboxControl(self.api_url, str(facts["control_token"]))

    def stop(self) -> None:
        """End the process and wait for it; a second call does nothing."""
        # On Windows, terminate() is a kill, which leaves the temporary files of the sandbox.
        try:
            self._process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        except OSError:
            # A program without a console cannot send Ctrl-Break.
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def check_install(exit_code: int, version: str | None, requests: Sequence[Request]) -> Iterator[Check]:
    """Check the install and its four requests."""
    succeeded = exit_code == 0 and version is not None
    yield Check("The install succeeded", succeeded, f"exit code {exit_code}, core {version}")
    expected = tuple(endpoint for endpoint, _ in requests) == REQUESTS
    answered = all(statuses[-1] == 200 for _, statuses in requests)
    listed = ", ".join(f"{endpoint} {' -> '.join(map(str, statuses))}" for endpoint, statuses in requests)
    yield Check("It took four requests, in the documented order", expected and answered, listed or "none")


def check_decoding(exit_code: int, decoding: Mapping[str, Any], requests: int) -> Iterator[Check]:
    """Check the offline process; ``requests`` is how many reached the sandbox meanwhile."""
    if exit_code != 0 or not decoding:
        yield Check("Decoding offline succeeded", False, f"exit code {exit_code}")
        return
    loaded = decoding["network_libraries"]
    seen = f"{requests} requests, network libraries loaded: {', '.join(loaded) or 'none'}"
    yield Check("Decoding used no network", requests == 0 and not loaded, seen)
    state = f"{decoding['license_type']}, {'stale' if decoding['stale'] else 'not stale'}"
    yield Check("The session is valid and not stale", not decoding["stale"], state)
    accuracy, chance = decoding["accuracy"], decoding["chance"]
    needed = chance + ACCURACY_MARGIN
    promise = f"The accuracy is at least {needed:.0%}, far above the chance of {chance:.0%}"
    yield Check(promise, accuracy >= needed, f"{accuracy:.1%}")


def merge_redirects(journal: Iterable[JournalEntry]) -> list[Request]:
    """Return the requests that a sandbox logged; a redirected download and its target count as one."""
    requests: list[Request] = []
    for entry in journal:
        if entry["endpoint"] == "storage" and requests and requests[-1][0] == "asset":
            requests[-1][1].append(entry["status"])
        else:
            requests.append((entry["endpoint"], [entry["status"]]))
    return requests


def summarize(report: Mapping[str, Any]) -> list[str]:
    """Return what a run did in three lines; a check that failed has a line more."""
    version, decoding = (report["install"] or {}).get("version"), report["decoding"]
    lines = [f"Installed core {version} from a sandbox on this machine, with a simulated license."]
    if decoding:
        lines.append(f"Offline, {_RESULT.format(**decoding)}.")
    lines += [f"FAILED  {each['check']} ({each['detail']})" for each in report["checks"] if not each["ok"]]
    return [*lines, _verdict(report)]


def _verdict(report: Mapping[str, Any]) -> str:
    checks = report["checks"]
    failed = sum(not each["ok"] for each in checks)
    verdict = f"{failed} of {len(checks)} checks failed" if failed else f"All {len(checks)} checks passed"
    return f"{verdict}, in {report['seconds']:.1f} s. `nimbus-sdk demo --verbose` shows every step."


def _explain_use(report: Mapping[str, Any]) -> list[str]:
    """Return lines to paste into a shell that is to use the sandbox, if it was left running."""
    left = report["left_running"]
    if left is None:
        return []
    # PowerShell has `kill` and `rm` as aliases with the same meaning.
    remove = "rm -r" if os.name == "posix" else "rm -Recurse"
    return [
        "",
        f"# The sandbox is still running. To end it: kill {left['pid']}",
        f"# Then remove its folder: {remove} {left['folder']}",
        "# Paste these lines into the shell that is to use it and its core:",
        *output.format_assignments(left["environment"]),
    ]


def _require_sandbox_extra() -> None:
    from nimbus_sdk.sandbox.availability import PACKAGES, unavailable_error

    for name in PACKAGES:
        if find_spec(name) is None:
            raise unavailable_error(ModuleNotFoundError(f"No module named {name!r}", name=name))


def _clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment without the user's settings, for an empty project in a folder."""
    project = folder / "project"
    project.mkdir()
    # The search for a .env ends here and finds none of those in the folders above.
    (project / ".env").touch()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
    # In a zipapp, an interpreter alone does not find the SDK.
    environ["PYTHONPATH"] = os.pathsep.join(absolute_search_path())
    return environ | {"NIMBUS_SDK_HOME": str(folder / "home"), "NIMBUS_SDK_CREDENTIAL_STORE": "file"}


def _profile_folders() -> tuple[str, ...]:
    try:
        paths = Settings.load().paths
    except ConfigurationError:
        # Invalid settings name no folder that could be changed.
        return ()
    return tuple(dict.fromkeys((paths.config, paths.data, paths.state, paths.cache)))


def _snapshot(folders: Iterable[str]) -> set[tuple[str, int, int]]:
    """Return every file and folder in some folders, with its size and modification time."""
    entries = set()
    for path in (path for folder in folders for path in (Path(folder), *Path(folder).rglob("*"))):
        # There may be no such folder, and another process may remove a file at any time.
        with suppress(FileNotFoundError):
            status = path.lstat()
            entries.add((str(path), status.st_size, status.st_mtime_ns))
    return entries
