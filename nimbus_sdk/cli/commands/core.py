"""``nimbus-sdk core …``: the versions of the core on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile
from nimbus_sdk.storage.pointer import read_pointer

if TYPE_CHECKING:
    from nimbus_sdk.config.paths import Paths
    from nimbus_sdk.core.wheel.manifest import InstalledCore
    from nimbus_sdk.storage.pointer import Pointer

T = TypeVar("T")

commands = typer.Typer(help="List, switch, check and remove versions of the core.", rich_markup_mode=None)


@commands.command("list")
def list_versions(profile: Profile = None, as_json: Json = False) -> None:
    """List what is installed: what is in use, and what was before it.

    A version that was installed several times stands there several times. What is neither in use nor was
    before goes with a later install.

    \b
    JSON: current (version or null),
    versions [{version, install_id, in_use, previous, installed_at, tag, path}]

    \b
    Example:
      nimbus-sdk core list
    """
    from nimbus_sdk.core.wheel import switching

    folder = _places(profile).core
    pointer = read_pointer(folder)
    before = None if pointer is None else pointer.previous
    listed = [
        {
            "version": core.version,
            "install_id": core.install_id,
            "in_use": _is(pointer, core),
            "previous": _is(before, core),
            "installed_at": core.installed_at,
            "tag": core.tag,
            "path": core.folder,
        }
        for core in switching.installed_versions(folder)
    ]
    if as_json:
        output.document({"current": None if pointer is None else pointer.version, "versions": listed})
    elif listed:
        output.table(("version", "state", "installed", "install", "tag"), map(_row, listed))
        output.say(f"Each lies in {os.path.join(folder, 'VERSION', 'INSTALL')}.")
    else:
        output.say("No core is installed; `nimbus-sdk install` brings one.")


@commands.command()
def use(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="One that `core list` shows.")],
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Switch to a version that is installed, once it was found whole and loads.

    \b
    JSON: version, install_id, path, previous {version, install_id} or null

    \b
    Example:
      nimbus-sdk core use 0.1.0
    """
    from nimbus_sdk.core.wheel import switching

    _switch(profile, lambda folder: switching.use(folder, version), as_json=as_json)


@commands.command()
def rollback(profile: Profile = None, as_json: Json = False) -> None:
    """Switch back to what was in use before; the same again undoes it.

    \b
    JSON: version, install_id, path, previous {version, install_id}: what it was switched from

    \b
    Example:
      nimbus-sdk core rollback
    """
    from nimbus_sdk.core.wheel import switching

    _switch(profile, switching.rollback, as_json=as_json)


@commands.command()
def verify(profile: Profile = None, as_json: Json = False) -> None:
    """Compare every file of the core in use with what was installed.

    \b
    JSON: version, path, files; a core that was changed ends with an error that lists every "issues"

    \b
    Example:
      nimbus-sdk core verify
    """
    from nimbus_sdk.core.wheel import manifest
    from nimbus_sdk.core.wheel import verify as check
    from nimbus_sdk.errors import CoreIntegrityError, CoreNotInstalledError

    core = manifest.current(_places(profile).core)
    if core is None:
        raise CoreNotInstalledError("The core is not installed on this machine.")
    issues = check.check_installed(core.folder)
    if issues:
        raise CoreIntegrityError(f"Core {core.version} in {core.folder} was changed.", issues=issues)
    found = {"version": core.version, "path": core.folder, "files": len(core.files)}
    if as_json:
        output.document(found)
    else:
        output.facts([*found.items(), ("whole", True)])


@commands.command()
def uninstall(
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Only this one; all where left out.")
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Remove one version of the core, or all; session and key stay.

    \b
    JSON: removed [versions]

    \b
    Example:
      nimbus-sdk core uninstall 0.1.0
    """
    from nimbus_sdk.core.wheel import switching

    removed = _alone(profile, lambda paths: switching.uninstall(paths.core, version))
    if as_json:
        output.document({"removed": list(removed)})
    elif removed:
        output.facts([("removed", removed)])
    else:
        output.say("There is nothing to remove: no core is installed.")


def _is(pointer: Pointer | None, core: InstalledCore) -> bool:
    return pointer is not None and pointer.install_id == core.install_id


def _row(core: Mapping[str, object]) -> list[object]:
    state = "in use" if core["in_use"] else "previous" if core["previous"] else None
    return [core["version"], state, _moment(str(core["installed_at"])), core["install_id"], core["tag"]]


def _moment(text: str) -> datetime | str:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        # A manifest's text was written by us, and may have been edited since.
        return text


def _switch(profile: str | None, change: Callable[[str], InstalledCore], *, as_json: bool) -> None:
    """Change what is in use, and show what is and what was."""
    from nimbus_sdk.storage.pointer import read_pointer

    def changing(paths: Paths) -> tuple[InstalledCore, Pointer | None]:
        core = change(paths.core)
        pointer = read_pointer(paths.core)
        return core, None if pointer is None else pointer.previous

    core, before = _alone(profile, changing)
    if as_json:
        previous = before and {"version": before.version, "install_id": before.install_id}
        facts = {"version": core.version, "install_id": core.install_id, "path": core.folder}
        output.document({**facts, "previous": previous})
        return
    rows = [
        ("in use", f"{core.version}, install {core.install_id}"),
        ("before", before and f"{before.version}, install {before.install_id}"),
        ("path", core.folder),
    ]
    output.facts(rows)


def _places(profile: str | None) -> Paths:
    from nimbus_sdk.config.settings import Settings

    return Settings.load(profile=profile).paths


def _alone(profile: str | None, change: Callable[[Paths], T]) -> T:
    """Change what is installed while no other process does."""
    from nimbus_sdk.account import renewal
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.storage.lock import Lock
    from nimbus_sdk.transport.driver import run
    from nimbus_sdk.transport.flow import Flow, run_blocking

    settings = Settings.load(profile=profile)
    paths = settings.paths

    def changing() -> Flow[T]:
        with Lock(paths.lock) as lock:
            yield from renewal.acquire_lock(lock)
            return (yield from run_blocking(lambda: change(paths)))

    return run(settings, changing())
