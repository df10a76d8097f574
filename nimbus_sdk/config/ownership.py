"""Who owns a file or folder, and who else has access to it: asked here and nowhere else.

Callers pass the status that they got from ``os.stat``, ``os.lstat`` or ``os.fstat``: that decides whether a
link counts or the file that it points to. Windows has no owner or mode in these terms: there the rights of
the user's own folder count, and the answer is always False.
"""

from __future__ import annotations

import os

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
