"""The pointer to the installed core in use: read at every start, switched in one rename."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar

from nimbus_sdk.config.ownership import UntrustedError
from nimbus_sdk.errors import CoreIncompatibleError, CoreIntegrityError
from nimbus_sdk.storage import fs, trust

POINTER = "current.json"
FORMAT = 1
MOST_BYTES = 64 * 2**20
_POINTER_TEXTS = ("version", "folder", "install_id")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pointer:
    """The installation in use, and the one before it.

    Attributes:
        version: Version of the core.
        folder: Relative to the folder of all versions, with ``/``.
        install_id: Distinguishes installations of one version.
        previous: The one in use before, or None.
    """

    version: str
    folder: str
    install_id: str
    previous: Pointer | None = None


def pointer_path(core_folder: str) -> str:
    """Return the path of the pointer."""
    return os.path.join(core_folder, POINTER)


def read_pointer(core_folder: str) -> Pointer | None:
    """Return the pointer, or None if nothing is installed."""
    fields = read_record(pointer_path(core_folder), core_folder)
    return None if fields is None else _pointer(fields, pointer_path(core_folder))


def installation_folder(core_folder: str, pointer: Pointer) -> str:
    """Return the folder that a pointer names."""
    return os.path.join(core_folder, *pointer.folder.split("/"))


def trust_root(core_folder: str) -> str:
    """Return the folder from which on others must not be able to change what is run: the home of the SDK."""
    return os.path.dirname(os.path.dirname(core_folder))


def read_record(path: str, core_folder: str) -> dict[str, object] | None:
    """Read a JSON file that says what is installed; return None if there is none.

    Raises:
        CoreIntegrityError: It is damaged, or others can change it.
        CoreIncompatibleError: It was written by a newer version of the SDK.
        CoreInstallError: It cannot be read.
    """
    import json

    with fs.disk_errors(os.path.dirname(path)):
        try:
            content = trust.read(path, trust_root(core_folder), MOST_BYTES)
        except fs.NoFileError:
            raise damaged_file(path) from None
        except UntrustedError as error:
            raise CoreIntegrityError(
                f"The installed core is not used: {error.strerror}.",
                hint="Remove that, or set NIMBUS_SDK_HOME to a folder of your own; then install again.",
            ) from None
    if content is None:
        return None
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        raise damaged_file(path) from None
    version = fields.get("format") if isinstance(fields, dict) else None
    if type(version) is int and version > FORMAT:
        raise CoreIncompatibleError(
            f"{path} was written by a newer version of the SDK.",
            hint="Update the SDK, or use another NIMBUS_SDK_HOME.",
        )
    if not isinstance(fields, dict) or version != FORMAT:
        raise damaged_file(path)
    return fields


def _pointer(fields: dict[str, object], path: str) -> Pointer:
    version, folder, install_id = (require_field(fields, name, str, path) for name in _POINTER_TEXTS)
    if folder != f"{version}/{install_id}" or not _is_plain(version) or not _is_plain(install_id):
        raise damaged_file(path)
    previous = fields.get("previous")
    if previous is None:
        return Pointer(version, folder, install_id)
    # Only one step back is ever written; a longer chain was not written by us.
    if not isinstance(previous, dict) or previous.get("previous") is not None:
        raise damaged_file(path)
    return Pointer(version, folder, install_id, _pointer(previous, path))


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def require_field(fields: dict[str, object], name: str, kind: type[T], path: str) -> T:
    """Return one field of such a file; one that is missing or of another type is damage."""
    value = fields.get(name)
    if not isinstance(value, kind):
        raise damaged_file(path)
    return value


def damaged_file(path: str) -> CoreIntegrityError:
    """Return the error for a file that cannot be understood."""
    return CoreIntegrityError(f"{path} is damaged.")
