"""Errors of the operating system, with the folder and its free space in the message."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from nimbus_sdk.errors import CoreInstallError


@contextmanager
def disk_errors(folder: str) -> Iterator[None]:
    """Raise a ``CoreInstallError`` with the folder and its free space for any ``OSError`` of the block."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CoreInstallError(
            f"Files in {folder} cannot be read or written: {reason} ({free_space(folder)})."
        ) from error


def free_space(folder: str) -> str:
    """Return the free space for a folder that may not exist yet, as text."""
    from shutil import disk_usage

    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    try:
        return f"{disk_usage(folder).free / 2**20:,.0f} MiB free"
    except OSError:
        return "free space unknown"
