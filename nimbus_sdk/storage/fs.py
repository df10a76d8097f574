"""Writes the files of the SDK: private from the start, synced, and replaced in one step; and reads them.

Whatever a reader must not find half-written is written beside its target, synced, and renamed into place.
What the disk refuses is raised as ``OSError``.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from nimbus_sdk.config import ownership
from nimbus_sdk.config.ownership import UntrustedError
from nimbus_sdk.errors import CoreInstallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, TypeAlias

FileVersion: TypeAlias = tuple[int, int, int]

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
READ_LIMIT = 2**20
LEFT_OVER_SECONDS = 3600.0
_WRITABLE_BY_OTHERS = 0o022
_BINARY = getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_NEW_FILE = os.O_CREAT | os.O_EXCL | _BINARY | getattr(os, "O_NOFOLLOW", 0)
_devices_without_modes: set[int] = set()
"""Devices for which the warning was logged."""
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 1.0
_FILE_SECONDS = 1.0
_FOLDER_SECONDS = 10.0
_OWNER_ALONE = ("*S-1-3-4:(OI)(CI)F", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F")
"""Access rights for the owner, the system and administrators, inherited by all that is in a folder."""


class NoFileError(OSError):
    """A pipe, a device or far too large a file is where a small file should be."""


def read(path: str, limit: int = READ_LIMIT) -> bytes | None:
    """Return the content of a file, or None if there is none.

    Raises:
        NoFileError: It is not a regular file, or larger than ``limit`` bytes.
        OSError: It exists and cannot be read.
    """
    try:
        # Without O_NONBLOCK a pipe in place of a file would block for ever.
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return read_and_close(descriptor, limit)


def read_and_close(descriptor: int, limit: int) -> bytes:
    """Return the content of an open file, as ``read`` does, and close it."""
    try:
        # A folder is refused here.
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            # The status of the open file, so that it cannot be exchanged between check and read.
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NoFileError(errno.EINVAL, f"it is {_kind(status)}, and not a file")
            if status.st_size > limit:
                raise NoFileError(errno.EFBIG, f"it is larger than {limit} bytes")
            return file.readall()
    finally:
        os.close(descriptor)


def open_for_reading(path: str, flags: int = 0) -> BinaryIO:
    """Open a file of any size, with further flags of ``os.open``; a pipe or a device is not waited for.

    Raises:
        NoFileError: It is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY | flags)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NoFileError(errno.EINVAL, f"it is {_kind(status)}, and not a file")


def _kind(status: os.stat_result) -> str:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    return kinds.get(stat.S_IFMT(status.st_mode), "a device or terminal")


def make_private_folder(path: str, root: str | None = None) -> None:
    """Make a folder and every missing one above it for this user alone; close one that is open to others.

    Some file systems store no permissions. There the folder is used with a warning in the log if others can
    only read it.

    Args:
        root: A folder above it from which on others must not be able to exchange anything; see
            ``trust.read``. Others may still read the folders above ``path``.

    Raises:
        OSError: It cannot be made, belongs to another user, or stays writable by others.
    """
    _make(path)
    for place in (path,) if root is None else ownership.path_components(path, root):
        status = os.stat(place) if place == root or root is None else os.lstat(place)
        if ownership.is_foreign(status):
            raise PermissionError(errno.EPERM, f"the folder {place} belongs to another user")
        if stat.S_ISLNK(status.st_mode):
            raise UntrustedError(place, "is a link")
        if place == path:
            _close(place, status, PRIVATE_FOLDER)
        elif ownership.reason_for_distrust(status) is not None:
            _change_mode(place, stat.S_IMODE(status.st_mode) & ~_WRITABLE_BY_OTHERS)


def make_file_private(path: str) -> None:
    """Remove everyone else's permissions from a file that holds a secret.

    Raises:
        OSError: It is a link, belongs to another user, or stays writable by others.
    """
    status = os.lstat(path)
    if os.name != "nt" and (not stat.S_ISREG(status.st_mode) or status.st_nlink > 1):
        raise PermissionError(errno.EPERM, f"{path} is a link to somewhere else")
    if ownership.is_foreign(status):
        raise PermissionError(errno.EPERM, f"{path} belongs to another user")
    _close(path, status, PRIVATE_FILE)


def _close(path: str, status: os.stat_result, mode: int) -> None:
    if not ownership.is_open_to_others(status):
        return
    status, reason = _change_mode(path, mode)
    if ownership.is_open_to_others(status) and status.st_dev not in _devices_without_modes:
        _devices_without_modes.add(status.st_dev)
        import logging

        logging.getLogger("nimbus_sdk").warning(
            "Others can read %s, which cannot be changed (%s). On another disk the files would be private.",
            path,
            reason,
        )


def _change_mode(path: str, mode: int) -> tuple[os.stat_result, str]:
    """Change a mode; return the status after it, and why it may be another one than was asked for."""
    reason = "its file system stores no permissions"
    try:
        os.chmod(path, mode)
    except OSError as error:
        reason = error.strerror or reason
    # Some file systems ignore a change of mode without an error.
    status = os.stat(path)
    if ownership.is_writable_by_others(status):
        raise PermissionError(errno.EPERM, f"others can write to {path}, which cannot be changed ({reason})")
    return status, reason


def create(path: str, mode: int = PRIVATE_FILE) -> int:
    """Make a file, unless a file or link has its name; return its descriptor, for reading and writing."""
    return os.open(path, os.O_RDWR | _NEW_FILE, mode)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte; the system may take them in several parts."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def write_synced(path: str, chunks: Iterable[bytes]) -> None:
    """Write a file that does not exist yet, through to the disk."""
    descriptor = create(path)
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """Write a file through to the disk, with everything that was synced before it."""
    if sys.platform == "darwin":
        import fcntl

        # There, fsync leaves the data in the cache of the drive; network file systems know nothing else.
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def write_private(path: str, content: bytes, root: str | None = None) -> None:
    """Replace a small file in one step: a reader finds the old content or the new one, and only this user.

    Args:
        path: The file, which stays as it was if the disk refuses.
        content: Its new content.
        root: As for ``make_private_folder``.
    """
    make_private_folder(os.path.dirname(path), root)
    replace_file(path, [content])
    sync_folder(os.path.dirname(path))
    with suppress(OSError):
        for beside in leftovers(path, LEFT_OVER_SECONDS):
            remove(beside)


def replace_file(path: str, chunks: Iterable[bytes]) -> None:
    """Write a file beside its target, through to the disk, and rename it into place."""
    temporary = f"{path}.{unique_suffix()}.tmp"
    try:
        write_synced(temporary, chunks)
        rename(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def quarantine(path: str) -> str:
    """Set a damaged file aside under another name, and return that name."""
    aside = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.urandom(3).hex()}"
    with suppress(FileNotFoundError):
        os.replace(path, aside)
    return aside


def quarantined_files(path: str) -> list[str]:
    """Return what was set aside of a file because it was damaged; see ``quarantine``."""
    return [beside for beside in _beside(path) if beside.startswith(f"{path}.damaged-")]


def file_version(path: str) -> FileVersion | None:
    """Return what changes whenever a file is replaced, or None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def leftovers(path: str, older_than: float = 0.0) -> list[str]:
    """Return the temporary files of writers beside a file, of killed ones if they are some seconds old."""
    return [beside for beside in _beside(path) if beside.endswith(".tmp") and _age(beside) >= older_than]


def _beside(path: str) -> list[str]:
    """Return the files whose names are that of a file with something behind it."""
    folder, name = os.path.split(path)
    with suppress(FileNotFoundError, NotADirectoryError):
        return [os.path.join(folder, entry) for entry in os.listdir(folder) if entry.startswith(f"{name}.")]
    return []


def rename(source: str, target: str) -> None:
    """Rename a file or a folder, replacing a file."""
    waited, wait = 0.0, _FIRST_WAIT_SECONDS
    while True:
        try:
            os.replace(source, target)
        except PermissionError:
            # On Windows a reader blocks this for a moment, a scanner of a new folder for seconds.
            longest = _FOLDER_SECONDS if os.path.isdir(source) else _FILE_SECONDS
            if os.name != "nt" or waited >= longest:
                raise
        else:
            return
        time.sleep(wait)
        waited, wait = waited + wait, min(_LONGEST_WAIT_SECONDS, wait * 2)


def sync_folder(folder: str) -> None:
    """Sync the names in a folder to the disk, where the system can."""
    if os.name == "nt":
        return
    # Some network file systems cannot sync a folder; the rename has happened all the same.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: str) -> None:
    """Remove a file if it exists."""
    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def remove_tree(folder: str) -> None:
    """Remove a folder and all in it, if it exists."""
    from shutil import rmtree

    with suppress(FileNotFoundError):
        rmtree(folder)


@contextmanager
def disk_errors(folder: str) -> Iterator[None]:
    """Raise a ``CoreInstallError`` with the folder and its free space for any ``OSError`` of the block."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CoreInstallError(
            f"Files in {folder} cannot be read or written: {reason} ({_free_space(folder)})."
        ) from error


def _free_space(folder: str) -> str:
    """Return the free space for a folder that may not exist yet, as text."""
    from shutil import disk_usage

    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    try:
        return f"{disk_usage(folder).free / 2**20:,.0f} MiB free"
    except OSError:
        return "free space unknown"


def touch_if_older(path: str, every: float) -> None:
    """Set a file's or folder's time of change to now if it is older than ``every`` seconds."""
    # A caller that only reads must not fail for a disk that refuses.
    with suppress(OSError):
        if _age(path) > every:
            os.utime(path)


def regular_file_size(path: str) -> int | None:
    """Return the size of a regular file in bytes, or None if there is none (a link is none)."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def unique_suffix() -> str:
    """Return a part of a file name that no other process or thread uses."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"


def _make(folder: str) -> None:
    if os.path.isdir(folder) or os.path.dirname(folder) == folder:
        return
    _make(os.path.dirname(folder))
    with suppress(FileExistsError):
        os.mkdir(folder, PRIVATE_FOLDER)
        # Some versions give a folder of mode 0700 the access rights of its parent on Windows: CVE-2024-4030.
        version: tuple[object, ...] = sys.version_info
        if os.name == "nt" and (version < (3, 11, 10) or (3, 12) <= version < (3, 12, 4)):
            _set_access_list(folder)


def _set_access_list(folder: str) -> None:
    import subprocess

    program = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "icacls.exe")
    command = [program, folder, "/inheritance:r", "/grant:r", *_OWNER_ALONE]
    try:
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        import logging

        logging.getLogger("nimbus_sdk").warning(
            "Others may be able to read %s: its access rights could not be set (%s).", folder, error
        )


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return 0.0
