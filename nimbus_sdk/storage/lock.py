"""A lock between processes. It only saves work: on some network file systems locks do nothing."""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Iterator

from nimbus_sdk.storage import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from filelock import BaseFileLock

_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})
_FIRST_WAIT_SECONDS = 0.002
_LONGEST_WAIT_SECONDS = 0.1
_GROWTH = 1.5


class Lock:
    """A lock file that one process at a time holds; where it cannot be made, taking it raises ``OSError``.

    A killed holder's lock is free: the operating system drops it. Where the file system has no locks,
    everyone gets it, and work may be done twice.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._acquired: BaseFileLock | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free, and return whether it was."""
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
        self._acquired = lock
        return True

    def acquire(self, timeout: float) -> None:
        """Wait for the lock; raises as ``retries`` does."""
        for seconds in self.retries(timeout):
            time.sleep(seconds)

    def acquire_in_turn(self, timeout: float) -> None:
        """Wait for the lock as long as others take it in turn; the time limit is for each of them."""
        turn, deadline = 0, 0.0
        for seconds in self.retries(math.inf):
            now, latest = time.monotonic(), os.stat(self.path).st_mtime_ns
            if latest != turn:
                turn, deadline = latest, now + timeout
            elif now >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"another process holds {self.path}")
            time.sleep(seconds)
        if self._acquired is not None:
            os.utime(self.path)

    def retries(self, timeout: float) -> Iterator[float]:
        """Take the lock; until it is free, yield the seconds to sleep before the next attempt.

        The caller sleeps in its own way: a blocking call, a flow or an event loop.

        Raises:
            TimeoutError: Another process holds it for longer than ``timeout`` seconds.
        """
        deadline, wait = time.monotonic() + timeout, _FIRST_WAIT_SECONDS
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"another process holds {self.path}")
            # Half as long to one and a half times: many that wait must not try all at once.
            yield wait * (0.5 + os.urandom(1)[0] / 255)
            wait = min(_LONGEST_WAIT_SECONDS, wait * _GROWTH)

    def release(self) -> None:
        """Give the lock back, if it is held."""
        acquired, self._acquired = self._acquired, None
        if acquired is not None:
            acquired.release()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
