"""The one door to the disk: private from birth, written through, replaced in one step.

Whatever a reader must not find half-written is written beside its target, synced, and renamed into place.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
LEFT_OVER_SECONDS = 3600.0
_BINARY = getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_NEW_FILE = os.O_CREAT | os.O_EXCL | _BINARY | getattr(os, "O_NOFOLLOW", 0)
_REPLACE_TRIES = 5
_REPLACE_WAIT_SECONDS = 0.05


class NoFileError(OSError):
    """A pipe, a device or far too much lies where a small file should."""


def read(path: str, limit: int, check: Callable[[os.stat_result], None] | None = None) -> bytes | None:
    """The content of a file, or None where there is none.

    Args:
        path: The file.
        limit: The most bytes that it may have.
        check: Looks at the open file, so that it cannot be exchanged in between, and may refuse it.

    Raises:
        NoFileError: It is no regular file, or larger than ``limit`` bytes.
        OSError: It is there and cannot be read, or ``check`` refuses it.
    """
    try:
        # Without O_NONBLOCK a pipe that lies there in place of a file would hold us up for ever.
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # A folder is refused here.
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
                raise NoFileError(f"{path} is no file, or larger than {limit} bytes")
            if check is not None:
                check(found)
            return file.readall()
    finally:
        os.close(descriptor)


def make_private_folder(path: str) -> None:
    """Make a folder, and every missing one above it, for this user alone; close one that is open to others.

    Raises:
        OSError: It cannot be made, or belongs to another user.
    """
    if not os.path.isdir(path):
        _make_parents(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path, PRIVATE_FOLDER)
    if os.name == "nt":
        return
    found = os.stat(path)
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, f"the folder {path} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(path, PRIVATE_FOLDER)


def refuse_foreign(found: os.stat_result) -> None:
    """Refuse a file of another user that says what is believed or run: a home may lie where others write.

    Root is spared: it works in the homes of others (sudo, containers), and what it trusts is its own choice.

    Args:
        found: Of the open file, so that it cannot be exchanged in between.

    Raises:
        OSError: Neither this user nor root has written it.
    """
    if os.name != "nt" and os.geteuid() != 0 and found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, "it belongs to another user")


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


def write_private(path: str, content: bytes) -> None:
    """Replace a small file in one step: a reader finds the old content or the new one, and only this user.

    Raises:
        OSError: The disk refused; the file is as it was.
    """
    make_private_folder(os.path.dirname(path))
    temporary = f"{path}.{unique()}.tmp"
    try:
        write_synced(temporary, content)
        rename(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    sync_folder(os.path.dirname(path))
    sweep(path, LEFT_OVER_SECONDS)


def leftovers(path: str, older_than: float = 0.0) -> list[str]:
    """What writers of a file that were killed left beside it; a writer at work has such a file too.

    Args:
        path: The file.
        older_than: Seconds since it was last written.
    """
    folder, name = os.path.split(path)
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.listdir(folder):
            beside = os.path.join(folder, entry)
            if entry.startswith(f"{name}.") and entry.endswith(".tmp") and _age(beside) >= older_than:
                found.append(beside)
    return found


def sweep(path: str, older_than: float = 0.0) -> None:
    """Remove :func:`leftovers`; one that cannot be removed stays."""
    with suppress(OSError):
        for beside in leftovers(path, older_than):
            remove(beside)


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


def note_use(path: str, every: float) -> None:
    """Let a file's or folder's time of change tell when it was last used, to ``every`` seconds.

    Where the disk takes no such note, there is none: whoever only reads must not fail for it.
    """
    with suppress(OSError):
        if _age(path) > every:
            os.utime(path)


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


def _make_parents(folder: str) -> None:
    if os.path.isdir(folder) or os.path.dirname(folder) == folder:
        return
    _make_parents(os.path.dirname(folder))
    with suppress(FileExistsError):
        os.mkdir(folder, PRIVATE_FOLDER)


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return 0.0
