"""The installed versions: switch the one in use in one step, roll back, list, uninstall and clean up.

If the disk refuses, a function raises ``CoreInstallError`` and the core that was in use stays so.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import asdict, replace

from nimbus_sdk.core.wheel.manifest import MANIFEST, InstalledCore, read_manifest
from nimbus_sdk.core.wheel.requirements import parse_version, require_environment, require_interpreter
from nimbus_sdk.core.wheel.unpack import STAGING, probe
from nimbus_sdk.core.wheel.verify import check_installed
from nimbus_sdk.errors import CoreIncompatibleError, CoreIntegrityError, CoreNotInstalledError
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.pointer import (
    FORMAT,
    Pointer,
    installation_folder,
    pointer_path,
    read_pointer,
    trust_root,
)

LEFT_OVER_SECONDS = 3600.0
UNUSED_SECONDS = 14 * 86_400.0
"""A program that has loaded a core imports modules from its folder until it ends, which may take days."""

_REMOVED = ".removed"
_LEFTOVERS = (STAGING, _REMOVED)
_log = logging.getLogger("nimbus_sdk")


def switch(core_folder: str, core: InstalledCore) -> None:
    """Put a staged and probed core into use, in a single replacement of the pointer.

    Processes that have loaded another one keep it until they end; see ``prune``.
    """
    previous = _read_valid_pointer(core_folder)
    if previous is not None:
        same = previous.install_id == core.install_id
        previous = previous.previous if same else replace(previous, previous=None)
    folder = f"{core.version}/{core.install_id}"
    _write_pointer(core_folder, Pointer(core.version, folder, core.install_id, previous))


def use(core_folder: str, version: str) -> InstalledCore:
    """Switch to the newest installation of a version, after checking that it is undamaged and loads."""
    cores = [core for core in installed_versions(core_folder) if core.version == version]
    if not cores:
        raise _not_installed(core_folder, version)
    return _check_and_switch(core_folder, cores[-1])


def rollback(core_folder: str) -> InstalledCore:
    """Switch back to the previous installation, after checking it; a second call undoes the first."""
    pointer = read_pointer(core_folder)
    previous = None if pointer is None else pointer.previous
    if previous is None or not _exists(core_folder, previous):
        raise CoreNotInstalledError(
            "There is no previous version of the core.",
            hint="`nimbus-sdk core list` shows what is installed.",
        )
    return _check_and_switch(core_folder, read_manifest(installation_folder(core_folder, previous)))


def uninstall(core_folder: str, version: str | None = None) -> tuple[str, ...]:
    """Remove one version, or all of them if omitted; return the versions that were removed.

    If the version in use is removed, the previous one is used again, unless it is the same version.
    """
    with fs.disk_errors(core_folder):
        versions = {folder: folder.split(os.sep)[-2] for folder in _installations(core_folder)}
        folders = [folder for folder in versions if version in (None, versions[folder])]
        if version is not None and not folders:
            raise _not_installed(core_folder, version)
        _drop_from_pointer(core_folder, version)
        for folder in folders:
            _remove(folder)
        if version is None:
            _remove_leftovers(core_folder, 0.0)
    return tuple(dict.fromkeys(versions[folder] for folder in folders))


def installed_versions(core_folder: str) -> tuple[InstalledCore, ...]:
    """Return all usable installations, by version, then by time of installation."""
    found = []
    with fs.disk_errors(core_folder):
        for folder in _installations(core_folder):
            # One with a damaged manifest, or of a newer SDK, cannot be used; an install makes one beside it.
            with suppress(CoreIntegrityError, CoreIncompatibleError):
                core = read_manifest(folder)
                version = parse_version(core.version)
                if version is not None:
                    found.append((version, core.install_id, core))
    return tuple(core for _, _, core in sorted(found, key=lambda item: item[:2]))


def prune(core_folder: str) -> None:
    """Remove installations that no program has loaded for 14 days, and what killed processes left behind.

    The one in use and the previous one stay, and leftovers younger than an hour, which may be in use.
    """
    pointer = read_pointer(core_folder)
    wanted = () if pointer is None else (pointer, pointer.previous)
    in_use = [installation_folder(core_folder, each) for each in wanted if each is not None]
    with fs.disk_errors(core_folder):
        for folder in _installations(core_folder):
            # On Windows, the manifest of an installation in use is removed first.
            is_left = os.path.isdir(folder) and not os.path.lexists(os.path.join(folder, MANIFEST))
            if folder not in in_use and (is_left or _is_old(folder, UNUSED_SECONDS)):
                _remove(folder)
        _remove_leftovers(core_folder, LEFT_OVER_SECONDS)


def _check_and_switch(core_folder: str, core: InstalledCore) -> InstalledCore:
    require_interpreter(core.tag, core.interpreter, core.requires_python)
    require_environment(core.requires, core.requires_python)
    faults = check_installed(core.folder)
    if faults:
        raise CoreIntegrityError(f"Core {core.version} in {core.folder} was changed.", issues=faults)
    probe(core)
    switch(core_folder, core)
    return core


def _write_pointer(core_folder: str, pointer: Pointer) -> None:
    content = json.dumps({"format": FORMAT, **asdict(pointer)}, indent=1).encode("ascii")
    with fs.disk_errors(core_folder):
        fs.write_private(pointer_path(core_folder), content, trust_root(core_folder))


def _drop_from_pointer(core_folder: str, version: str | None) -> None:
    """Remove a version from the pointer before its folders are removed."""
    pointer = _read_valid_pointer(core_folder)
    remaining = None if pointer is None else pointer.previous
    if remaining and (version in (None, remaining.version) or not _exists(core_folder, remaining)):
        remaining = None
    if pointer is not None and version not in (None, pointer.version):
        remaining = replace(pointer, previous=remaining)
    if remaining is None:
        fs.remove(pointer_path(core_folder))
        fs.sync_folder(core_folder)
    elif remaining != pointer:
        _write_pointer(core_folder, remaining)


def _read_valid_pointer(core_folder: str) -> Pointer | None:
    # It is not known which core a damaged pointer meant; it is replaced.
    with suppress(CoreIntegrityError):
        return read_pointer(core_folder)
    return None


def _exists(core_folder: str, pointer: Pointer) -> bool:
    return os.path.isdir(installation_folder(core_folder, pointer))


def _installations(core_folder: str) -> list[str]:
    return [folder for folder in _folders(core_folder) if not folder.endswith(_LEFTOVERS)]


def _folders(core_folder: str) -> list[str]:
    """Return the folders of all installations, finished or not."""
    paths = [path for version in _paths(core_folder) for path in _paths(version)]
    return [path for path in paths if os.path.isdir(path)]


def _paths(folder: str) -> list[str]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    return []


def _remove(folder: str) -> None:
    """Rename a folder, then remove it, so that nobody finds a part of it."""
    hidden = f"{folder}{_REMOVED}"
    try:
        fs.rename(folder, hidden)
    except PermissionError:
        # On Windows the modules that a program has loaded hold their folder. Without its manifest it is no
        # installation any more; a later run removes it.
        if os.name != "nt":
            raise
        fs.remove(os.path.join(folder, MANIFEST))
        _log.warning("%s is still in use and will be removed later.", folder)
        return
    _remove_tree(hidden)
    # Other installations of this version may be there.
    with suppress(OSError):
        os.rmdir(os.path.dirname(folder))


def _remove_tree(folder: str) -> None:
    try:
        fs.remove_tree(folder)
    except PermissionError:
        if os.name != "nt":
            raise
        _log.warning("%s is still in use and will be removed later.", folder)


def _remove_leftovers(core_folder: str, seconds: float) -> None:
    """Remove what killed processes left behind, if it is older than some seconds."""
    for folder in _folders(core_folder):
        if folder.endswith(_LEFTOVERS) and _is_old(folder, seconds):
            _remove_tree(folder)
    for path in _paths(core_folder):
        if path.startswith(f"{pointer_path(core_folder)}.") and _is_old(path, seconds):
            fs.remove(path)
        elif os.path.isdir(path) and not os.listdir(path) and _is_old(path, seconds):
            os.rmdir(path)


def _is_old(path: str, seconds: float) -> bool:
    with suppress(FileNotFoundError):
        return time.time() - os.stat(path).st_mtime >= seconds
    return False


def _not_installed(core_folder: str, version: str) -> CoreNotInstalledError:
    present = ", ".join(dict.fromkeys(core.version for core in installed_versions(core_folder)))
    return CoreNotInstalledError(
        f"Version {version} of the core is not installed; installed: {present or 'none'}.",
        hint=f"`nimbus-sdk install --version {version}` installs it, if it was published.",
    )
