"""``nimbus-sdk core …``: the versions of the core on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nimbus_sdk.cli import render
from nimbus_sdk.cli.options import Json, Profile

if TYPE_CHECKING:
    from nimbus_sdk.core.installed import InstalledCore
    from nimbus_sdk.store.places import Places

T = TypeVar("T")

commands = typer.Typer(help="List, switch, check and remove versions of the core.", rich_markup_mode=None)


@commands.command("list")
def list_versions(profile: Profile = None, as_json: Json = False) -> None:
    """List the versions that are installed, and which one is in use.

    \b
    JSON: current (version or null), versions [{version, install_id, in_use, installed_at, tag, path}]

    \b
    Example:
      nimbus-sdk core list
    """
    from nimbus_sdk.core import installed, versions

    folder = _places(profile).core
    pointer = installed.read_pointer(folder)
    used = None if pointer is None else pointer.install_id
    listed = [
        {
            "version": core.version,
            "install_id": core.install_id,
            "in_use": core.install_id == used,
            "installed_at": core.installed_at,
            "tag": core.tag,
            "path": core.folder,
        }
        for core in versions.installed_versions(folder)
    ]
    if as_json:
        render.document({"current": None if pointer is None else pointer.version, "versions": listed})
    elif listed:
        names = ("version", "in_use", "installed_at", "tag", "path")
        headers = [name.replace("_", " ") for name in names]
        render.table(headers, [[core[name] for name in names] for core in listed])
    else:
        render.say("No core is installed; `nimbus-sdk install` brings one.")


@commands.command()
def use(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="One that `core list` shows.")],
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Switch to a version that is installed, once it was found whole and loads.

    \b
    JSON: version, path

    \b
    Example:
      nimbus-sdk core use 0.1.0
    """
    from nimbus_sdk.core import versions

    _show_used(_alone(profile, lambda places: versions.use(places.core, version)), as_json=as_json)


@commands.command()
def rollback(profile: Profile = None, as_json: Json = False) -> None:
    """Switch back to what was in use before; the same again undoes it.

    \b
    JSON: version, path

    \b
    Example:
      nimbus-sdk core rollback
    """
    from nimbus_sdk.core import versions

    _show_used(_alone(profile, lambda places: versions.rollback(places.core)), as_json=as_json)


@commands.command()
def verify(profile: Profile = None, as_json: Json = False) -> None:
    """Compare every file of the core in use with what was installed.

    \b
    JSON: version, path, files; a core that was changed ends with an error that lists every "issues"

    \b
    Example:
      nimbus-sdk core verify
    """
    from nimbus_sdk.core import installed
    from nimbus_sdk.core import verify as check
    from nimbus_sdk.errors import CoreIntegrityError, CoreNotInstalledError

    core = installed.current(_places(profile).core)
    if core is None:
        raise CoreNotInstalledError("The core is not installed on this machine.")
    issues = check.check_installed(core.folder)
    if issues:
        raise CoreIntegrityError(f"Core {core.version} in {core.folder} was changed.", issues=issues)
    found = {"version": core.version, "path": core.folder, "files": len(core.files)}
    if as_json:
        render.document(found)
    else:
        render.facts([*found.items(), ("whole", True)])


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
    from nimbus_sdk.core import versions

    removed = _alone(profile, lambda places: versions.uninstall(places.core, version))
    if as_json:
        render.document({"removed": list(removed)})
    else:
        render.facts([("removed", removed or "nothing was installed")])


def _show_used(core: InstalledCore, *, as_json: bool) -> None:
    found = {"version": core.version, "path": core.folder}
    if as_json:
        render.document(found)
    else:
        render.facts(found.items())


def _places(profile: str | None) -> Places:
    from nimbus_sdk.settings import Settings
    from nimbus_sdk.store.places import Places

    return Places.of(Settings.load(profile=profile))


def _alone(profile: str | None, change: Callable[[Places], T]) -> T:
    """Change what is installed while no other process does."""
    from nimbus_sdk import licensing
    from nimbus_sdk.settings import Settings
    from nimbus_sdk.store.files import Lock
    from nimbus_sdk.store.places import Places
    from nimbus_sdk.transport.drive import run
    from nimbus_sdk.transport.flow import Flow, work

    settings = Settings.load(profile=profile)
    places = Places.of(settings)

    def changing() -> Flow[T]:
        with Lock(places.lock) as lock:
            yield from licensing.locked(lock)
            return (yield from work(lambda: change(places)))

    return run(settings, changing())
