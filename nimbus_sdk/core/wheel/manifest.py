"""Find the installed core and read its manifest. On the fast path.

::

    core/current.json                 {"version", "folder", "install_id", "previous"}
    core/<version>/<install id>/      one installation, never changed once it is there
        manifest.json                 facts, and every file with its SHA-256 and size
        lib/                          the files of the wheel

A reader that follows the pointer sees one whole installation: nothing is ever written into one, and the
previous one stays until another is switched to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CoreIntegrityError, CoreNotInstalledError
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.pointer import (
    damaged_file,
    installation_folder,
    read_pointer,
    read_record,
    require_field,
)

MANIFEST = "manifest.json"
LIBRARY = "lib"
Files: TypeAlias = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class InstalledCore:
    """One installation of the core.

    Attributes:
        folder: Its folder.
        version: Version of the core.
        install_id: Tells installations of one version apart.
        tag: Python, ABI and platform of its wheel.
        sha256: SHA-256 of its wheel.
        top_level: The names it can be imported by.
        requires: Its requirements.
        requires_python: The versions of Python it runs on, or None.
        installed_at: UTC, as ISO 8601.
        interpreter: The interpreter that it was installed for.
        files: SHA-256 and size of every file, by its path below ``lib``.
    """

    folder: str
    version: str
    install_id: str
    tag: str
    sha256: str
    top_level: tuple[str, ...]
    requires: tuple[str, ...]
    requires_python: str | None
    installed_at: str
    interpreter: str
    files: Files

    @property
    def library(self) -> str:
        """The folder that its modules are imported from."""
        return os.path.join(self.folder, LIBRARY)


def find_core(core_folder: str | None = None) -> InstalledCore | None:
    """Return the installation in use, or None if no core is installed.

    Args:
        core_folder: The folder of all versions; that of the settings if omitted.

    Raises:
        CoreIntegrityError: Pointer or manifest are damaged.
        CoreInstallError: They cannot be read.
    """
    folder = core_folder or Settings.load().paths.core
    pointer = read_pointer(folder)
    return None if pointer is None else read_manifest(installation_folder(folder, pointer))


def require_core(core_folder: str | None = None) -> InstalledCore:
    """Return the installation in use, as :func:`find_core`.

    Raises:
        CoreNotInstalledError: No core is installed.
        CoreIntegrityError: Pointer or manifest are damaged.
        CoreInstallError: They cannot be read.
    """
    core = find_core(core_folder)
    if core is None:
        raise CoreNotInstalledError("The core is not installed on this machine.")
    return core


def read_manifest(folder: str) -> InstalledCore:
    """Read the manifest of one installation.

    Raises:
        CoreIntegrityError: The manifest is missing or damaged.
        CoreInstallError: It cannot be read.
    """
    path = os.path.join(folder, MANIFEST)
    fields = read_record(path)
    if fields is None:
        raise CoreIntegrityError(f"The installed core has no manifest: {path} is missing.")
    files = require_field(fields, "files", dict, path)
    checked = {name: _hash_and_size(entry, path) for name, entry in files.items()}
    requires_python = fields.get("requires_python")
    version, install_id = (require_field(fields, name, str, path) for name in ("version", "install_id"))
    if os.path.abspath(folder).split(os.sep)[-2:] != [version, install_id]:
        raise damaged_file(path)
    return InstalledCore(
        folder=folder,
        version=version,
        install_id=install_id,
        tag=require_field(fields, "tag", str, path),
        sha256=require_field(fields, "sha256", str, path),
        top_level=_texts(fields, "top_level", path),
        requires=_texts(fields, "requires", path),
        requires_python=requires_python if isinstance(requires_python, str) else None,
        installed_at=require_field(fields, "installed_at", str, path),
        interpreter=require_field(fields, "interpreter", str, path),
        files=checked,
    )


def missing_files(core: InstalledCore) -> tuple[str, ...]:
    """Return the files that are missing or of another size, one line each; none of them is read."""
    library = core.library
    return tuple(
        f"{name}: is missing or of another size"
        for name, (_, size) in core.files.items()
        if fs.regular_size(os.path.join(library, *name.split("/"))) != size
    )


def _texts(fields: dict[str, object], name: str, path: str) -> tuple[str, ...]:
    values: list[object] = require_field(fields, name, list, path)
    if not all(isinstance(value, str) for value in values):
        raise damaged_file(path)
    return tuple(cast("list[str]", values))


def _hash_and_size(entry: object, path: str) -> tuple[str, int]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise damaged_file(path)
    sha256, size = entry
    if not isinstance(sha256, str) or not isinstance(size, int):
        raise damaged_file(path)
    return sha256, size
