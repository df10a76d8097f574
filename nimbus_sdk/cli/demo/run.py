"""The demo's story: three processes beside this one, one temporary folder, and what must hold at the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast

from nimbus_sdk.cli.demo.events import (
    Begun,
    Chapter,
    Check,
    Cut,
    Decoded,
    Installed,
    Kept,
    Request,
    Started,
    Tell,
    checks_of_decoding,
    checks_of_install,
)
from nimbus_sdk.cli.demo.sandbox_process import SandboxProcess, require_sandbox_extra
from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import KEY_VARIABLE, Settings
from nimbus_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from nimbus_sdk.cli.demo.offline import Decoding
    from nimbus_sdk.cli.ui.sandbox_control import JournalEntry

_REDIRECTED_TO = "storage"


def play(tell: Tell, *, keep: bool, bars: bool) -> None:
    """Run the demo and tell its chapters as they come; the last ones are the checks.

    Args:
        tell: Takes each chapter.
        keep: Leave the sandbox running, with its folder.
        bars: Whether the installation may show a progress bar.

    Raises:
        SandboxUnavailableError: The ``sandbox`` extra is not installed.
        ConfigurationError: The sandbox does not start.
    """
    require_sandbox_extra()
    own = _own_folders()
    before = _footprint(own)
    with _unwound_when_told_to_end(), ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="nimbus-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        environ = _environ(folder)
        tell(Begun(title="1. A sandbox, in a process of its own"))
        began = time.perf_counter()
        sandbox = SandboxProcess(folder, environ, detached=keep)
        stack.callback(sandbox.stop)
        masked = ApiKey.parse(sandbox.key).masked
        tell(Started(api_url=sandbox.api_url, key_masked=masked, milliseconds=_since(began)))
        environ |= _way_to(sandbox)
        tell(Begun(title="2. `nimbus-sdk install --key-stdin`, in a fresh process"))
        installed = _install(sandbox, environ, folder, bars=bars)
        _tell_all(tell, installed, *checks_of_install(installed))
        if installed.exit_code == 0:
            _play_offline(tell, sandbox, environ, folder, keep=keep)
        untouched, seen = before == _footprint(own), ", ".join(own) or "there is none"
        tell(Check(promise="Your own profile is untouched", held=untouched, seen=seen))
        if keep:
            stack.pop_all()
            environment = sandbox.environment | {"NIMBUS_SDK_HOME": environ["NIMBUS_SDK_HOME"]}
            tell(Kept(pid=sandbox.pid, folder=str(folder), environment=environment))


@contextmanager
def _unwound_when_told_to_end() -> Iterator[None]:
    """Turn SIGTERM and a closed terminal into an exception, so that nothing is left behind."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {getattr(signal, name): signal.signal(getattr(signal, name), end) for name in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _play_offline(
    tell: Tell, sandbox: SandboxProcess, environ: Mapping[str, str], folder: Path, *, keep: bool
) -> None:
    tell(Begun(title="3. The way to the sandbox"))
    began = time.perf_counter()
    asked = len(sandbox.control.journal())
    if not keep:
        sandbox.stop()
    tell(Cut(stopped=sandbox.stopped, milliseconds=_since(began)))
    tell(Begun(title="4. Decoding with NIMBUS_SDK_OFFLINE=1, in another fresh process"))
    decoded = _decode(environ, folder)
    requests = len(sandbox.control.journal()) - asked if keep else 0
    _tell_all(tell, decoded, *checks_of_decoding(decoded, requests))


def _tell_all(tell: Tell, *chapters: Chapter) -> None:
    for chapter in chapters:
        tell(chapter)


def _install(sandbox: SandboxProcess, environ: Mapping[str, str], folder: Path, *, bars: bool) -> Installed:
    command = [sys.executable, "-m", "nimbus_sdk", "install", "--key-stdin", "--json"]
    began = time.perf_counter()
    child = subprocess.run(
        command if bars else [*command, "--no-progress"],
        input=f"{sandbox.key}\n".encode(),
        stdout=subprocess.PIPE,
        cwd=folder / "project",
        env=dict(environ),
        check=False,
        # Ctrl-C is for this process, which ends the other: a Python that is just starting would cry out.
        start_new_session=True,
    )
    took = _since(began)
    core = (_json(child.stdout) or {}).get("core")
    version = core.get("version") if isinstance(core, dict) else None
    return Installed(
        exit_code=child.returncode,
        version=version,
        requests=_requests(sandbox.control.journal()),
        milliseconds=took,
    )


def _decode(environ: Mapping[str, str], folder: Path) -> Decoded:
    began = time.perf_counter()
    child = subprocess.run(
        [sys.executable, "-m", "nimbus_sdk.cli.demo.offline", str(time.time())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=folder / "project",
        env={**environ, "NIMBUS_SDK_OFFLINE": "1"},
        check=False,
        start_new_session=True,
    )
    found = cast("Decoding | None", _json(child.stdout))
    return Decoded(exit_code=child.returncode, found=found, milliseconds=_since(began))


def _requests(journal: Iterable[JournalEntry]) -> tuple[Request, ...]:
    found: list[Request] = []
    first = None
    for exchange in journal:
        first = exchange["received_at"] if first is None else first
        request = Request(
            endpoint=exchange["endpoint"],
            statuses=(exchange["status"],),
            at_ms=round(1000 * (exchange["received_at"] - first), 1),
            bytes=exchange["bytes_sent"],
        )
        if request.endpoint == _REDIRECTED_TO and found and found[-1].endpoint == "asset":
            asset = found.pop()
            request = replace(
                asset, statuses=asset.statuses + request.statuses, bytes=asset.bytes + request.bytes
            )
        found.append(request)
    return tuple(found)


def _environ(folder: Path) -> dict[str, str]:
    """An environment without any setting of the person's, in a project without any of theirs."""
    project = folder / "project"
    project.mkdir()
    # The search for a .env ends here, whatever lies in the folders above.
    (project / ".env").touch()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
    return environ | {"NIMBUS_SDK_HOME": str(folder / "home"), "NIMBUS_SDK_CREDENTIAL_STORE": "file"}


def _way_to(sandbox: SandboxProcess) -> dict[str, str]:
    """What leads the SDK to the sandbox; its own home and its key are left out."""
    others = (KEY_VARIABLE, TOKEN_VARIABLE, "NIMBUS_SDK_HOME")
    return {name: value for name, value in sandbox.environment.items() if name not in others}


def _own_folders() -> tuple[str, ...]:
    try:
        paths = Settings.load().paths
    except ConfigurationError:
        # Settings that cannot be used lead to no folder that could be touched.
        return ()
    return tuple(dict.fromkeys((paths.config, paths.data, paths.state, paths.cache)))


def _footprint(folders: Iterable[str]) -> frozenset[tuple[str, int, int]]:
    """Every file and folder below some folders, with its size and time of change."""
    found = set()
    for top in folders:
        for folder, _, files in os.walk(top):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                # What goes away while it is looked at is gone.
                with suppress(FileNotFoundError):
                    status = os.lstat(path)
                    found.add((path, status.st_size, status.st_mtime_ns))
    return frozenset(found)


def _json(output: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(output)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 1)
