"""The demo's story: three processes beside this one, one temporary folder, and what must hold at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nimbus_sdk.cli.demo_chapters import Check, Cut, Decoded, Installed, Kept, Request, Started, Tell
from nimbus_sdk.cli.demo_sandbox import SandboxProcess, require_sandbox_extra
from nimbus_sdk.cli.sandbox_control import TOKEN_VARIABLE
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.keys import ApiKey
from nimbus_sdk.settings import KEY_VARIABLE, Settings
from nimbus_sdk.store.places import Places

if TYPE_CHECKING:
    from nimbus_sdk.cli.demo_offline import Decoding
    from nimbus_sdk.cli.sandbox_control import JournalEntry

EXPECTED = ("validate", "github_token", "release", "asset")
MARGIN = 0.25
"""By how much the accuracy must beat chance."""

_REDIRECTED_TO = "storage"
_OK = 200


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
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="nimbus-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        environ = _environ(folder)
        began = time.perf_counter()
        sandbox = SandboxProcess(folder, environ, detached=keep)
        stack.callback(sandbox.stop)
        masked = ApiKey.parse(sandbox.key).masked
        tell(Started(api_url=sandbox.api_url, key_masked=masked, milliseconds=_since(began)))
        environ |= _way_to(sandbox)
        installed = _install(sandbox, environ, folder, bars=bars)
        tell(installed)
        for check in _checks_of_install(installed):
            tell(check)
        if installed.exit_code == 0:
            _play_offline(tell, sandbox, environ, folder, keep=keep)
        untouched = before == _footprint(own)
        tell(
            Check(promise="Your own profile is untouched", held=untouched, seen=", ".join(own) or "none here")
        )
        if keep:
            stack.pop_all()
            environment = sandbox.environment | {"NIMBUS_SDK_HOME": environ["NIMBUS_SDK_HOME"]}
            tell(Kept(pid=sandbox.pid, folder=str(folder), environment=environment))


def _play_offline(
    tell: Tell, sandbox: SandboxProcess, environ: Mapping[str, str], folder: Path, *, keep: bool
) -> None:
    began = time.perf_counter()
    asked = len(sandbox.control.journal())
    if not keep:
        sandbox.stop()
    tell(Cut(stopped=sandbox.stopped, milliseconds=_since(began)))
    decoded = _decode(environ, folder)
    requests = len(sandbox.control.journal()) - asked if keep else 0
    tell(decoded)
    for check in _checks_of_decoding(decoded, requests):
        tell(check)


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
        [sys.executable, "-m", "nimbus_sdk.cli.demo_offline", str(time.time())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=folder / "project",
        env={**environ, "NIMBUS_SDK_OFFLINE": "1"},
        check=False,
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


def _checks_of_install(installed: Installed) -> Iterator[Check]:
    yield Check(
        promise="The installation succeeded",
        held=installed.exit_code == 0 and installed.version is not None,
        seen=f"exit code {installed.exit_code}, core {installed.version}",
    )
    asked = tuple(request.endpoint for request in installed.requests)
    answered = all(request.statuses[-1] == _OK for request in installed.requests)
    yield Check(
        promise="It took four requests, in the documented order",
        held=asked == EXPECTED and answered,
        seen=", ".join(asked) or "none",
    )


def _checks_of_decoding(decoded: Decoded, requests: int) -> Iterator[Check]:
    found = decoded.found
    if decoded.exit_code != 0 or found is None:
        yield Check(promise="Decoding offline succeeded", held=False, seen=f"exit code {decoded.exit_code}")
        return
    loaded = found["network_libraries"]
    yield Check(
        promise="Decoding asked for nothing over the network",
        held=requests == 0 and not loaded,
        seen=f"{requests} requests, network libraries loaded: {', '.join(loaded) or 'none'}",
    )
    yield Check(
        promise="The session is valid and not a stale one",
        held=not found["stale"],
        seen=f"{found['license_type']}, {'stale' if found['stale'] else 'not stale'}",
    )
    needed = found["chance"] + MARGIN
    yield Check(
        promise=f"Accuracy is above {needed:.0%}, far from the chance of {found['chance']:.0%}",
        held=found["accuracy"] >= needed,
        seen=f"{found['accuracy']:.1%}",
    )


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
        places = Places.of(Settings.load())
    except ConfigurationError:
        # Settings that cannot be used lead to no folder that could be touched.
        return ()
    return tuple(dict.fromkeys((places.config, places.data, places.state, places.cache)))


def _footprint(folders: Iterable[str]) -> frozenset[tuple[str, int, int]]:
    """Every file and folder below some folders, with its size and time of change."""
    found = set()
    for top in folders:
        for folder, _, files in os.walk(top):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
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
