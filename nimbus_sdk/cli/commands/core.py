"""``nimbus-sdk install`` and ``core …``: install the core; list, switch, verify and remove its versions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, TypeVar

import nimbus_sdk
from nimbus_sdk.account.session_record import session_rows
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import group
from nimbus_sdk.cli.ui.options import (
    Json,
    KeyFromStdin,
    Profile,
    Timeout,
    argument,
    core_versions,
    flag,
    option,
    read_key_from_stdin,
)
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CoreIntegrityError
from nimbus_sdk.storage.pointer import read_pointer

if TYPE_CHECKING:
    from nimbus_sdk.core.wheel.manifest import InstalledCore
    from nimbus_sdk.storage.pointer import Pointer

T = TypeVar("T")
commands = group("core", "List, switch, verify and remove versions of the core.")
Version = Annotated[
    str | None,
    option("--version VERSION", "Version of the core; the newest that fits if omitted.", core_versions),
]


def install(
    key_stdin: KeyFromStdin = False,
    force: Annotated[bool, flag("--force", "Validate and install again.")] = False,
    version: Version = None,
    profile: Profile = None,
    offline: Annotated[bool, flag("--offline", "Make no network requests.")] = False,
    timeout: Timeout = None,
    no_progress: Annotated[bool, flag("--no-progress", "Show no progress bar.")] = False,
    as_json: Json = False,
) -> None:
    """Validate the key and install the core for offline use.

    The key is read from NIMBUS_API_KEY, the nearest .env file, the file named by NIMBUS_SDK_API_KEY_FILE or
    the credential store, whichever has one first; in a terminal you are asked for it, hidden. While the
    session is fresh, running it again makes no request.

    JSON: session (all fields of AuthSession), core {version, path}

    Examples:
      nimbus-sdk install
      pass show nimbus | nimbus-sdk install --key-stdin
      NIMBUS_SDK_API_KEY_FILE=/run/secrets/nimbus nimbus-sdk install --json
    """
    from nimbus_sdk.core.wheel.manifest import find_core

    session = nimbus_sdk.install_core(
        read_key_from_stdin() if key_stdin else None,
        force=force,
        version=version,
        profile=profile,
        offline=offline or None,
        progress=False if no_progress else None,
        timeout=timeout,
    )
    core = find_core()
    version, path = (None, None) if core is None else (core.version, core.folder)
    values = {"session": session.to_dict(), "core": {"version": version, "path": path}}
    rows: list[tuple[str, object]] = [("key from", session.key_source)]
    if session.key_source_reason not in (None, session.key_source):
        rows.append(("key stored in", session.key_source_reason))
    rows += [("core", version), ("core path", path)]
    output.show_fields(values, [*session_rows(session), *rows], as_json=as_json)
    if not as_json:
        output.print_text("", "Next: `nimbus-sdk models` lists what nimbus_sdk.load_model can load.")


@commands.command("list")
def list_versions(profile: Profile = None, as_json: Json = False) -> None:
    """List the installed versions.

    A version that was installed several times is listed several times. The next install removes all but the
    one in use and the previous one.

    JSON: current (version or null),
    versions [{version, install_id, in_use, previous, installed_at, tag, path}]

    Example: nimbus-sdk core list
    """
    from nimbus_sdk.core.wheel import versions

    folder = Settings.load(profile=profile).paths.core
    pointer = read_pointer(folder)
    previous = None if pointer is None else pointer.previous
    listed = [
        {
            "version": core.version,
            "install_id": core.install_id,
            "in_use": pointer is not None and pointer.install_id == core.install_id,
            "previous": previous is not None and previous.install_id == core.install_id,
            "installed_at": core.installed_at,
            "tag": core.tag,
            "path": core.folder,
        }
        for core in versions.installed_versions(folder)
    ]
    values = {"current": None if pointer is None else pointer.version, "versions": listed}
    columns = ("version", "state", "installed", "install", "tag")
    nothing = "No core is installed. Run `nimbus-sdk install`."
    output.show_table(values, columns, map(_row, listed), as_json=as_json, nothing=nothing)
    if listed and not as_json:
        output.print_text(f"Each is in {os.path.join(folder, 'VERSION', 'INSTALL')}.")


@commands.command()
def use(
    version: Annotated[str, argument("VERSION", "A version from `core list`.", core_versions)],
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Switch to an installed version.

    It is checked first: it must be undamaged, and load.

    JSON: version, install_id, path, previous {version, install_id} or null

    Example: nimbus-sdk core use 0.1.0
    """
    from nimbus_sdk.core.wheel import versions

    _switch(profile, lambda folder: versions.use(folder, version), as_json=as_json)


@commands.command()
def rollback(profile: Profile = None, as_json: Json = False) -> None:
    """Switch back to the previous version; run it again to undo that.

    JSON: version, install_id, path, previous {version, install_id}

    Example: nimbus-sdk core rollback
    """
    from nimbus_sdk.core.wheel import versions

    _switch(profile, versions.rollback, as_json=as_json)


@commands.command()
def verify(profile: Profile = None, as_json: Json = False) -> None:
    """Compare every file of the core in use with what was installed.

    JSON: version, path, files; for a changed core an error that lists its "issues"

    Example: nimbus-sdk core verify
    """
    from nimbus_sdk.core.wheel import manifest
    from nimbus_sdk.core.wheel import verify as check

    core = manifest.require_core(Settings.load(profile=profile).paths.core)
    issues = check.check_installed(core.folder)
    if issues:
        raise CoreIntegrityError(f"Core {core.version} in {core.folder} was changed.", issues=issues)
    facts = {"version": core.version, "path": core.folder, "files": len(core.files)}
    output.show_fields(facts, [*facts.items(), ("undamaged", True)], as_json=as_json)


@commands.command()
def uninstall(
    version: Annotated[
        str | None, argument("VERSION", "Only this version; all if omitted.", core_versions)
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Remove one version of the core, or all. Session and key stay.

    JSON: removed [versions]

    Example: nimbus-sdk core uninstall 0.1.0
    """
    from nimbus_sdk.core.wheel import versions

    removed = _run_locked(profile, lambda folder: versions.uninstall(folder, version))
    if removed or as_json:
        output.show_fields({"removed": list(removed)}, as_json=as_json)
    else:
        output.print_lines("No core is installed.")


def _row(core: Mapping[str, object]) -> list[object]:
    state = "in use" if core["in_use"] else "previous" if core["previous"] else None
    return [core["version"], state, output.parse_time(core["installed_at"]), core["install_id"], core["tag"]]


def _switch(profile: str | None, change: Callable[[str], InstalledCore], *, as_json: bool) -> None:
    """Change the version in use, and print it with the previous one."""

    def change_pointer(folder: str) -> tuple[InstalledCore, Pointer | None]:
        core = change(folder)
        pointer = read_pointer(folder)
        return core, None if pointer is None else pointer.previous

    core, previous = _run_locked(profile, change_pointer)
    values = {
        "version": core.version,
        "install_id": core.install_id,
        "path": core.folder,
        "previous": previous and {"version": previous.version, "install_id": previous.install_id},
    }
    rows = [
        ("in use", f"{core.version}, install {core.install_id}"),
        ("previous", previous and f"{previous.version}, install {previous.install_id}"),
        ("path", core.folder),
    ]
    output.show_fields(values, rows, as_json=as_json)


def _run_locked(profile: str | None, change: Callable[[str], T]) -> T:
    from nimbus_sdk.core.uninstall import change_installed_flow
    from nimbus_sdk.transport.driver import run

    settings = Settings.load(profile=profile)
    return run(settings, change_installed_flow(settings, change))
