"""What is installed: the pointer to the version in use, and the manifest of each. On the fast path.

::

    core/current.json                 {"version", "folder", "install_id", "previous"}
    core/<version>/<install id>/      one installation, never changed once it is there
        manifest.json                 facts, and every file with its SHA-256 and size
        lib/                          what the wheel held

A reader follows the pointer and then sees one installation, whole: nothing is ever written into one, and
the one before the current stays until a further one is switched to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from nimbus_sdk import disk
from nimbus_sdk.core.refused import told
from nimbus_sdk.errors import CoreIntegrityError

POINTER = "current.json"
MANIFEST = "manifest.json"
LIBRARY = "lib"
FORMAT = 1
MOST_BYTES = 64 * 2**20
_POINTER_TEXTS = ("version", "folder", "install_id")
T = TypeVar("T")
Files: TypeAlias = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class InstalledCore:
    """One installation of the core.

    Attributes:
        folder: Where it lies.
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


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which installation is in use, and which was before it.

    Attributes:
        version: Version of the core.
        folder: Relative to the folder of all versions, with ``/``.
        install_id: Tells installations of one version apart.
        previous: What was in use before, or None.
    """

    version: str
    folder: str
    install_id: str
    previous: Pointer | None = None


def pointer_path(core_folder: str) -> str:
    """The file that says which version is in use."""
    return os.path.join(core_folder, POINTER)


def read_pointer(core_folder: str) -> Pointer | None:
    """The pointer, or None where nothing is installed.

    Raises:
        CoreIntegrityError: It is damaged.
        CoreInstallError: It cannot be read.
    """
    fields = _read_json(pointer_path(core_folder))
    return None if fields is None else _pointer(fields, pointer_path(core_folder))


def current(core_folder: str) -> InstalledCore | None:
    """The installation in use, or None where there is none.

    Args:
        core_folder: The folder of all versions.

    Raises:
        CoreIntegrityError: Pointer or manifest are damaged.
        CoreInstallError: They cannot be read.
    """
    pointer = read_pointer(core_folder)
    return None if pointer is None else read_manifest(located(core_folder, pointer))


def located(core_folder: str, pointer: Pointer) -> str:
    """The folder that a pointer means."""
    return os.path.join(core_folder, *pointer.folder.split("/"))


def read_manifest(folder: str) -> InstalledCore:
    """What one installation says of itself.

    Raises:
        CoreIntegrityError: The manifest is missing or damaged.
        CoreInstallError: It cannot be read.
    """
    path = os.path.join(folder, MANIFEST)
    fields = _read_json(path)
    if fields is None:
        raise CoreIntegrityError(f"The installed core has no manifest: {path} is missing.")
    files = _field(fields, "files", dict, path)
    checked = {name: _hash_and_size(entry, path) for name, entry in files.items()}
    requires_python = fields.get("requires_python")
    version, install_id = (_field(fields, name, str, path) for name in ("version", "install_id"))
    if os.path.abspath(folder).split(os.sep)[-2:] != [version, install_id]:
        raise _damaged(path)
    return InstalledCore(
        folder=folder,
        version=version,
        install_id=install_id,
        tag=_field(fields, "tag", str, path),
        sha256=_field(fields, "sha256", str, path),
        top_level=_texts(fields, "top_level", path),
        requires=_texts(fields, "requires", path),
        requires_python=requires_python if isinstance(requires_python, str) else None,
        installed_at=_field(fields, "installed_at", str, path),
        interpreter=_field(fields, "interpreter", str, path),
        files=checked,
    )


def faults(core: InstalledCore) -> tuple[str, ...]:
    """Files that are missing or of another length: what can be seen without reading them."""
    library = core.library
    return tuple(
        f"{name}: is missing or of another size"
        for name, (_, size) in core.files.items()
        if disk.regular_size(os.path.join(library, *name.split("/"))) != size
    )


def _read_json(path: str) -> dict[str, object] | None:
    import json

    with told(os.path.dirname(path)):
        try:
            content = disk.read(path, MOST_BYTES, disk.refuse_foreign)
        except disk.NoFileError:
            raise _damaged(path) from None
    if content is None:
        return None
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise _damaged(path)
    return fields


def _pointer(fields: dict[str, object], path: str) -> Pointer:
    version, folder, install_id = (_field(fields, name, str, path) for name in _POINTER_TEXTS)
    if folder != f"{version}/{install_id}" or not _plain(version) or not _plain(install_id):
        raise _damaged(path)
    previous = fields.get("previous")
    if previous is None:
        return Pointer(version, folder, install_id)
    # One step back is all that is ever noted; whatever goes on from there was not written by us.
    if not isinstance(previous, dict) or previous.get("previous") is not None:
        raise _damaged(path)
    return Pointer(version, folder, install_id, _pointer(previous, path))


def _plain(name: str) -> bool:
    return name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def _field(fields: dict[str, object], name: str, kind: type[T], path: str) -> T:
    value = fields.get(name)
    if not isinstance(value, kind):
        raise _damaged(path)
    return value


def _texts(fields: dict[str, object], name: str, path: str) -> tuple[str, ...]:
    values: list[object] = _field(fields, name, list, path)
    if not all(isinstance(value, str) for value in values):
        raise _damaged(path)
    return tuple(cast("list[str]", values))


def _hash_and_size(told: object, path: str) -> tuple[str, int]:
    if not isinstance(told, list) or len(told) != 2:
        raise _damaged(path)
    sha256, size = told
    if not isinstance(sha256, str) or not isinstance(size, int):
        raise _damaged(path)
    return sha256, size


def _damaged(path: str) -> CoreIntegrityError:
    return CoreIntegrityError(f"{path} is damaged.")
