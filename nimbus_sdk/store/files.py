"""The one door to the disk for all that is small and must not be lost or seen.

Everything is written beside its target, private from birth, synced, and renamed into place: a reader
finds the old file or the new one. Locks only save work; nothing here relies on them to be correct,
since on some network file systems they do nothing.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
READ_LIMIT = 2**20
LEFT_OVER_SECONDS = 3600.0
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})
_REPLACE_TRIES = 5
_REPLACE_WAIT_SECONDS = 0.05


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


def read(path: str, limit: int = READ_LIMIT) -> bytes | None:
    """The content of a file, or None where there is none.

    Raises:
        OSError: It is there and cannot be read, or is larger than ``limit`` bytes.
    """
    try:
        # Without O_NONBLOCK a pipe that lies there in place of a file would hold us up for ever.
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            raise OSError(f"{path} is no file, or larger than {limit} bytes")
        return file.read(limit)


def write_private(path: str, content: bytes) -> None:
    """Replace a file in one step; only this user may read it.

    Raises:
        OSError: The disk refused; the file is as it was before.
    """
    make_private_folder(os.path.dirname(path))
    temporary = _write_beside(path, content)
    try:
        _replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    _sync_folder(os.path.dirname(path))
    sweep(path, LEFT_OVER_SECONDS)


def create_once(path: str, content: bytes) -> bytes:
    """Write a file if there is none, and give what the file holds then: the first writer wins.

    Raises:
        OSError: The disk refused.
    """
    present = read(path)
    if present is not None:
        return present
    make_private_folder(os.path.dirname(path))
    temporary = _write_beside(path, content)
    try:
        with suppress(FileExistsError):
            _link_or_claim(temporary, path)
    finally:
        remove(temporary)
    _sync_folder(os.path.dirname(path))
    return read(path) or b""


def remove(path: str) -> None:
    """Remove a file; none there is as good.

    Raises:
        OSError: It is there and cannot be removed.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


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


def quarantine(path: str) -> str:
    """Set a damaged file aside under another name, and give that name."""
    aside = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.urandom(3).hex()}"
    with suppress(FileNotFoundError):
        os.replace(path, aside)
    return aside


def tighten(path: str) -> None:
    """Take a file's permissions away from everyone else.

    Raises:
        OSError: It is a link, belongs to another user, or its mode cannot be changed.
    """
    if os.name == "nt":
        return
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise PermissionError(f"{path} is a link to somewhere else")
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(f"{path} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(path, PRIVATE_FILE)


class Lock:
    """A lock between processes that asks without waiting; whoever needs it waits in its own way.

    A dead holder's lock is free: the operating system drops it. Where the file system has no locks,
    everyone gets it, and only work is done twice.

    Example:
        >>> import tempfile, os.path
        >>> with tempfile.TemporaryDirectory() as folder, Lock(os.path.join(folder, "lock")) as lock:
        ...     lock.try_acquire(), Lock(lock.path).try_acquire()
        (True, False)
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._held: BaseFileLock | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            OSError: The lock file cannot be made.
        """
        from filelock import FileLock, Timeout

        make_private_folder(os.path.dirname(self.path))
        lock = FileLock(self.path, timeout=0, mode=PRIVATE_FILE, thread_local=False, fallback_to_soft=False)
        try:
            lock.acquire()
        except Timeout:
            return False
        except OSError as error:
            if error.errno in _NO_LOCKS_HERE:
                return True
            raise
        self._held = lock
        return True

    def release(self) -> None:
        """Give the lock back; not holding it is as good."""
        held, self._held = self._held, None
        if held is not None:
            held.release()

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return 0.0


def _make_parents(folder: str) -> None:
    if os.path.isdir(folder) or os.path.dirname(folder) == folder:
        return
    _make_parents(os.path.dirname(folder))
    with suppress(FileExistsError):
        os.mkdir(folder, PRIVATE_FOLDER)


def _write_beside(path: str, content: bytes) -> str:
    temporary = f"{path}.{os.getpid()}-{os.urandom(6).hex()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, PRIVATE_FILE)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        remove(temporary)
        raise
    return temporary


def _replace(source: str, target: str) -> None:
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


def _link_or_claim(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this file system: a rename keeps the file whole, and the last writer wins.
        _replace(temporary, path)


def _sync_folder(folder: str) -> None:
    if os.name == "nt":
        return
    # Some folders cannot be read, and some file systems cannot sync one; the rename itself has happened.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
