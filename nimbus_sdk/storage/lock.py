"""The lock between processes; it only saves work, since on some network file systems locks do nothing."""

from __future__ import annotations

import errno
import os
from types import TracebackType

from nimbus_sdk.storage import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from filelock import BaseFileLock


_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})


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

        fs.make_private_folder(os.path.dirname(self.path))
        lock = FileLock(
            self.path, timeout=0, mode=fs.PRIVATE_FILE, thread_local=False, fallback_to_soft=False
        )
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
