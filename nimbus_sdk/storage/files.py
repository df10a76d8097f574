"""Small files that must not be lost or seen, and the lock between processes.

Locks only save work; nothing here relies on them to be correct, since on some network file systems they
do nothing.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

from nimbus_sdk.storage import fs

READ_LIMIT = 2**20


def read(path: str, limit: int = READ_LIMIT) -> bytes | None:
    """The content of a file, or None where there is none.

    Raises:
        OSError: It is there and cannot be read, or is larger than ``limit`` bytes.
    """
    return fs.read(path, limit)


def read_own(path: str) -> bytes | None:
    """The same, for a file that decides what is believed: one that another user wrote is refused.

    Raises:
        OSError: As for :func:`read`, or it belongs to another user.
    """
    return fs.read(path, READ_LIMIT, fs.refuse_foreign)


def create_once(path: str, content: bytes) -> bytes:
    """Write a secret if there is none, and give what the file holds then: the first writer wins.

    Raises:
        OSError: The disk refused, or the file belongs to another user.
    """
    present = read_own(path)
    if present is not None:
        _close(path)
        return present
    fs.make_private_folder(os.path.dirname(path))
    temporary = f"{path}.{fs.unique()}.tmp"
    try:
        fs.write_synced(temporary, content)
        with suppress(FileExistsError):
            _link_or_claim(temporary, path)
    finally:
        fs.remove(temporary)
    fs.sync_folder(os.path.dirname(path))
    return read_own(path) or b""


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
        os.chmod(path, fs.PRIVATE_FILE)


def _close(path: str) -> None:
    # Where it cannot be closed (a disk that is read-only), it can be used all the same.
    with suppress(OSError):
        if os.name != "nt" and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            os.chmod(path, fs.PRIVATE_FILE)


def _link_or_claim(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this file system: a rename keeps the file whole, and the last writer wins.
        fs.rename(temporary, path)
