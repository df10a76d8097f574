"""Find the installed core and read its manifest; runs at every start.

An installation is the folder ``core/<version>/<install id>``: its ``manifest.json`` has every file of its
``lib`` with SHA-256 and size. Nothing is ever written into one, so its readers see a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CoreIntegrityError, CoreNotInstalledError
from nimbus_sdk.storage import trust
from nimbus_sdk.storage.pointer import (
    damaged_file,
    installation_folder,
    read_pointer,
    read_record,
    require_field,
    trust_root,
)

MANIFEST = "manifest.json"
LIBRARY = "lib"
_TEXTS = ("version", "install_id", "tag", "sha256", "installed_at", "interpreter")
Files: TypeAlias = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class InstalledCore:
    """One installation of the core.

    Attributes:
        install_id: Distinguishes installations of one version.
        tag: Python, ABI and platform of its wheel, from its file name.
        sha256: SHA-256 of its wheel.
        top_level: The names it can be imported by.
        requires: The ``Requires-Dist`` lines of its metadata; ``requires_python`` likewise, or None.
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
    """Return the installation in use, or None; the folder of all versions may be that of the settings."""
    folder = core_folder or Settings.load().paths.core
    pointer = read_pointer(folder)
    return None if pointer is None else read_manifest(installation_folder(folder, pointer))


def require_core(core_folder: str | None = None) -> InstalledCore:
    """Return the installation in use, as ``find_core``; without one, raise ``CoreNotInstalledError``."""
    core = find_core(core_folder)
    if core is None:
        raise CoreNotInstalledError("The core is not installed on this machine.")
    return core


def read_manifest(folder: str) -> InstalledCore:
    """Read the manifest of one installation."""
    path = os.path.join(folder, MANIFEST)
    fields = read_record(path, _core_folder(folder))
    if fields is None:
        raise CoreIntegrityError(f"The installed core has no manifest: {path} is missing.")
    files = require_field(fields, "files", dict, path)
    requires_python = fields.get("requires_python")
    texts = {name: require_field(fields, name, str, path) for name in _TEXTS}
    if os.path.abspath(folder).split(os.sep)[-2:] != [texts["version"], texts["install_id"]]:
        raise damaged_file(path)
    return InstalledCore(
        folder=folder,
        top_level=_texts(fields, "top_level", path),
        requires=_texts(fields, "requires", path),
        requires_python=requires_python if isinstance(requires_python, str) else None,
        files={name: _hash_and_size(entry, path) for name, entry in files.items()},
        **texts,
    )


def missing_files(core: InstalledCore) -> tuple[str, ...]:
    """Return the files that are missing, of another size, or that others can change; none is read."""
    sizes, distrusted = survey(core)
    missing = (name for name, (_, size) in core.files.items() if sizes.get(name) != size)
    return (*distrusted, *(f"{name}: is missing or of another size" for name in missing))


def survey(core: InstalledCore) -> tuple[dict[str, int], list[str]]:
    """Return the size of every file in a core's library, by its path there, and what is wrong with them."""
    try:
        return trust.survey(core.library, trust_root(_core_folder(core.folder)))
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [f"{error.filename}: {error.strerror}"]


def _core_folder(folder: str) -> str:
    """Return the folder of all versions, for the folder of one installation."""
    return os.path.dirname(os.path.dirname(folder))


def _texts(fields: dict[str, object], name: str, path: str) -> tuple[str, ...]:
    values: list[object] = require_field(fields, name, list, path)
    if not all(isinstance(value, str) for value in values):
        raise damaged_file(path)
    return tuple(cast("list[str]", values))


def _hash_and_size(entry: object, path: str) -> tuple[str, int]:
    match entry:
        case [str(sha256), int(size)]:
            return sha256, size
    raise damaged_file(path)
