"""What wheels ask of the disk: private folders, synced files, replacement in one step, plain refusals."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from nimbus_sdk.errors import CoreInstallError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_BINARY = getattr(os, "O_BINARY", 0)
_NEW_FILE = os.O_CREAT | os.O_EXCL | _BINARY | getattr(os, "O_NOFOLLOW", 0)
_REPLACE_TRIES = 5
_REPLACE_WAIT_SECONDS = 0.05


@contextmanager
def told(folder: str) -> Iterator[None]:
    """Turn what the disk refuses within this block into words that name the folder and its free space.

    Raises:
        CoreInstallError: In place of any OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CoreInstallError(f"The disk refused in {folder}: {reason} ({free_space(folder)}).") from error


def free_space(folder: str) -> str:
    """The space left for a folder that may not exist yet, for people."""
    from shutil import disk_usage

    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    try:
        return f"{disk_usage(folder).free / 2**20:,.0f} MiB free"
    except OSError:
        return "free space unknown"


def make_folder(path: str) -> None:
    """Make a folder, and every missing one above it, for this user alone.

    Raises:
        OSError: It cannot be made, or belongs to another user.
    """
    if not os.path.isdir(path):
        parent = os.path.dirname(path)
        if parent != path and not os.path.isdir(parent):
            make_folder(parent)
        with suppress(FileExistsError):
            os.mkdir(path, PRIVATE_FOLDER)
    if os.name != "nt" and os.stat(path).st_uid not in (os.geteuid(), 0):
        raise PermissionError(1, f"the folder {path} belongs to another user")


def create(path: str, mode: int = PRIVATE_FILE) -> int:
    """Make a file that is not there yet and open it for reading and writing; gives its descriptor.

    Raises:
        OSError: It is there, be it as a link, or cannot be made.
    """
    return os.open(path, os.O_RDWR | _NEW_FILE, mode)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte; the system may take them in several parts.

    Raises:
        OSError: The disk refused.
    """
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def write_synced(path: str, content: bytes) -> None:
    """Write a new file, through to the disk.

    Raises:
        OSError: It is there already, or the disk refused.
    """
    descriptor = create(path)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_whole(path: str, content: bytes) -> None:
    """Replace a small file in one step: a reader finds the old content or the new one.

    Raises:
        OSError: The disk refused; the file is as it was.
    """
    make_folder(os.path.dirname(path))
    temporary = f"{path}.{unique()}.tmp"
    try:
        write_synced(temporary, content)
        rename(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    sync_folder(os.path.dirname(path))


def rename(source: str, target: str) -> None:
    """Rename a file or a folder, over a file that is there.

    Raises:
        OSError: The system refused.
    """
    for _ in range(_REPLACE_TRIES - 1):
        try:
            os.replace(source, target)
        except PermissionError:
            # On Windows a reader or a virus scanner blocks this for a moment.
            if os.name != "nt":
                raise
            time.sleep(_REPLACE_WAIT_SECONDS)
        else:
            return
    os.replace(source, target)


def sync_folder(folder: str) -> None:
    """Make the names in a folder last through a power failure, where the system can."""
    if os.name == "nt":
        return
    # Some network file systems cannot sync a folder; what was renamed is renamed all the same.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: str) -> None:
    """Remove a file; none there is as good.

    Raises:
        OSError: It is there and cannot be removed.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def remove_tree(folder: str) -> None:
    """Remove a folder and all in it; none there is as good.

    Raises:
        OSError: Something in it cannot be removed.
    """
    from shutil import rmtree

    with suppress(FileNotFoundError):
        rmtree(folder)


def regular_size(path: str) -> int | None:
    """The size of a regular file in bytes, or None where there is none (a link is none)."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def unique() -> str:
    """A part of a name that no other process or thread uses."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"
