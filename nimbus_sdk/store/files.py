"""The one door to the disk for all that is small and must not be lost or seen.

Everything is written beside its target, private from birth, synced, and renamed into place: a reader
finds the old file or the new one. Locks only save work; nothing here relies on them to be correct,
since on some network file systems they do nothing.
"""

from __future__ import annotations

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
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_REPLACE_TRIES = 5
_REPLACE_WAIT_SECONDS = 0.05


def make_private_folder(path: str) -> None:
    """Make a folder, and every missing one above it, for this user alone.

    Raises:
        OSError: It cannot be made, or belongs to another user.
    """
    if not os.path.isdir(path):
        _make_parents(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path, PRIVATE_FOLDER)
    if os.name != "nt" and os.stat(path).st_uid not in (os.geteuid(), 0):
        raise PermissionError(f"the folder {path} belongs to another user")


def read(path: str, limit: int = READ_LIMIT) -> bytes | None:
    """The content of a file, or None where there is none.

    Raises:
        OSError: It is there and cannot be read, or is larger than ``limit`` bytes.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if content is not None and len(content) > limit:
        raise OSError(f"{path} is larger than {limit} bytes")
    return content


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
    it counts as held by everyone, and only work is done twice.

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
        lock = FileLock(self.path, timeout=0, mode=PRIVATE_FILE, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return False
        except NotImplementedError:
            return True
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
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems cannot sync a folder; the rename itself has happened.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
