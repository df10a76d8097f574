"""Who owns a file or folder, who else has access to it, and whether to trust it: asked here and nowhere else.

Callers pass the status that they got from ``os.stat``, ``os.lstat`` or ``os.fstat``: that decides whether a
link counts or the file that it points to. Windows has no owner or mode in these terms: there the rights of
the user's own folder count, and the answer is always False.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022


def is_foreign(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to neither this user nor root."""
    return os.name != "nt" and status.st_uid not in (os.geteuid(), 0)


def is_open_to_others(status: os.stat_result) -> bool:
    """Whether anyone but the owner may read, write or enter a file or folder."""
    return os.name != "nt" and bool(status.st_mode & _OTHERS)


def is_writable_by_others(status: os.stat_result) -> bool:
    """Whether anyone but the owner may write a file, or create and replace files in a folder."""
    return os.name != "nt" and bool(status.st_mode & _WRITABLE_BY_OTHERS)


def reason_for_distrust(status: os.stat_result) -> str | None:
    """Return why a file or folder must not decide what is run or believed, or None if it may.

    In a folder with the sticky bit, such as ``/tmp``, others can make entries, but not exchange ours.
    """
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "is a link"
    if is_foreign(status):
        return "belongs to another user"
    if not is_writable_by_others(status) or (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
        return None
    return "can be written by others"


class UntrustedError(PermissionError):
    """Somebody else can change what is run or believed."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(errno.EPERM, f"{place} {reason}")


def path_components(path: str, root: str) -> Iterator[str]:
    """Yield a folder, and everything from it down to a path below it."""
    yield root
    place = root
    for part in filter(None, path.removeprefix(root).split(os.sep)):
        place = os.path.join(place, part)
        yield place
