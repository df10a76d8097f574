"""Where pypa's ``installer`` puts a wheel's files: below one folder, hashed and synced while written."""

from __future__ import annotations

import os
from hashlib import sha256 as new_hash
from typing import TYPE_CHECKING, BinaryIO

from installer.destinations import WheelDestination
from installer.records import RecordEntry

from nimbus_sdk import disk
from nimbus_sdk.errors import CoreIntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from installer.scripts import ScriptSection
    from installer.utils import Scheme

COPY_BYTES = 2**18
COMPILED = "__pycache__"
EXECUTABLE_FILE = 0o700


def inside(root: str, name: str) -> str:
    """Join a name from a wheel to a folder: the one place where that is done.

    Args:
        root: The folder that must hold it.
        name: The name, with ``/``.

    Raises:
        CoreIntegrityError: It would lie outside.

    Example:
        >>> inside("/srv/core/lib", "nimbus_sdk_core/../../../home")
        Traceback (most recent call last):
        ...
        nimbus_sdk.errors.CoreIntegrityError: A file of the wheel would lie outside of its folder...
    """
    folder = os.path.abspath(root)
    path = os.path.abspath(os.path.join(folder, *name.split("/")))
    # Source: documentation of zipfile.Path, "When handling untrusted archives".
    if "\0" in name or not path.startswith(os.path.join(folder, "")):
        raise CoreIntegrityError(f"A file of the wheel would lie outside of its folder: {name[:120]!a}.")
    return path


class LibraryFolder(WheelDestination):
    """Takes code and data of a wheel into one folder; scripts are for environments and are left out.

    Args:
        root: The folder; what it holds is never written over.

    Attributes:
        files: SHA-256 and size of every file written, by its path below the folder.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: dict[str, tuple[str, int]] = {}

    def write_file(
        self, scheme: Scheme, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """Write one file of any scheme: purelib and platlib are the same folder here."""
        name = os.fspath(path)
        target = inside(self.root, name)
        disk.make_private_folder(os.path.dirname(target))
        found, size = new_hash(), 0
        descriptor = disk.create(target, EXECUTABLE_FILE if is_executable else disk.PRIVATE_FILE)
        try:
            while chunk := stream.read(COPY_BYTES):
                disk.write_all(descriptor, chunk)
                found.update(chunk)
                size += len(chunk)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.files[name] = (found.hexdigest(), size)
        return RecordEntry(name, None, size)

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """Write nothing."""
        return RecordEntry(name, None, None)

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        """Make the folders into which Python compiles modules, since it makes them under anybody's umask.

        The manifest takes the place of RECORD.
        """
        for folder in {os.path.dirname(name) for name in self.files if name.endswith(".py")}:
            disk.make_private_folder(inside(self.root, f"{folder}/{COMPILED}"))
