"""Read a pipe in place of a file: it gives its content once, whenever its writer is ready."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress

from nimbus_sdk.storage import fs

_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


def identity(path: str) -> tuple[str, int, int] | None:
    """Return what tells a pipe from every other pipe, or None if there is no pipe at the path."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (path, status.st_dev, status.st_ino) if stat.S_ISFIFO(status.st_mode) else None


def read(path: str, limit: int, seconds: float) -> bytes:
    """Return everything that comes through a pipe until its writer closes it.

    Args:
        path: The pipe, such as ``/dev/stdin`` or a named one.
        limit: The most bytes that may come.
        seconds: How long the writer may take.

    Raises:
        fs.NoFileError: More than ``limit`` bytes came.
        OSError: It cannot be opened, or was not closed in time.
    """
    import select

    deadline, content = time.monotonic() + seconds, b""
    # With O_NONBLOCK a pipe can be opened before it has a writer.
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while len(content) <= limit:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"the pipe was not closed within {seconds:g} s")
            with suppress(BlockingIOError):
                chunk = os.read(descriptor, limit + 1 - len(content))
                if not chunk:
                    return content
                content += chunk
    finally:
        os.close(descriptor)
    raise fs.NoFileError(errno.EFBIG, f"more than {limit} bytes came through the pipe")
