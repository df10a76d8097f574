"""What attempts at one download leave behind, for attempts that come later.

::

    <sha256>.<process and random>.part      an attempt's own, while it is at work, or since it was killed
    <sha256>.part                           the shelf: what an attempt that ended has set aside
    <sha256>.etag                           the ETag that it came with
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

from nimbus_sdk.storage import fs

STALE_SECONDS = 3600.0
FORGOTTEN_SECONDS = 7 * 86_400.0
_LONGEST_ETAG = 256
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


class Parts:
    """The parts of one file in the folder of all downloads.

    Args:
        folder: The folder of all downloads.
        sha256: What the whole file will have.

    Attributes:
        own: The path of this attempt's part.
        shelf: The path at which an attempt that ends sets its part aside.
    """

    def __init__(self, folder: str, sha256: str) -> None:
        self.own = os.path.join(folder, f"{sha256}.{fs.unique()}.part")
        self.shelf = os.path.join(folder, f"{sha256}.part")
        self._folder = folder
        self._sha256 = sha256
        self._etag_path = os.path.join(folder, f"{sha256}.etag")

    def longest(self, most: int) -> str | None:
        """The longest part of others, none of more bytes than that; None where there is none."""
        found = [path for path in (self.shelf, *self._orphans()) if 0 < _size(path) <= most]
        return max(found, key=_size, default=None)

    def drop(self, path: str, size: int) -> None:
        """Remove a part that turned out wrong, unless a process has written to it since it was that long."""
        with suppress(OSError):
            if _size(path) == size:
                fs.remove(path)

    def sweep(self) -> None:
        """Remove what killed processes left of this file, and what nobody came back for of others.

        Raises:
            OSError: The folder cannot be read.
        """
        limits = dict.fromkeys(self._orphans(), STALE_SECONDS)
        for name in os.listdir(self._folder):
            if name.endswith((".part", ".etag")) and not name.startswith(self._sha256):
                limits[os.path.join(self._folder, name)] = FORGOTTEN_SECONDS
        for path, seconds in limits.items():
            # A process that is still at work there must keep its file; some systems refuse it anyway.
            with suppress(OSError):
                if time.time() - os.stat(path).st_mtime > seconds:
                    os.unlink(path)

    def discard(self) -> None:
        """Remove all that is not another process's own; what the disk does not let go of stays."""
        for path in (self.own, self.shelf, self._etag_path):
            with suppress(OSError):
                fs.remove(path)
        with suppress(OSError):
            self.sweep()

    def etag(self) -> str | None:
        """The ETag that the part came with, or None.

        Raises:
            OSError: It cannot be read.
        """
        with suppress(fs.NoFileError):
            etag = (fs.read(self._etag_path, _LONGEST_ETAG) or b"").decode("ascii", "replace")
            return etag if _STRONG_TAG.fullmatch(etag) else None
        return None

    def remember_etag(self, etag: str) -> None:
        """Note the ETag of what arrives from now on; a weak one does not promise the same bytes.

        Source: RFC 9110, section 13.1.5.

        Raises:
            OSError: The disk refused.
        """
        if _STRONG_TAG.fullmatch(etag):
            fs.write_private(self._etag_path, etag.encode("ascii"))
        else:
            fs.remove(self._etag_path)

    def _orphans(self) -> list[str]:
        """Parts of processes that were killed, or are still at work."""
        mark = f"{self._sha256}."
        known = {os.path.basename(self.own), os.path.basename(self.shelf)}
        return [
            os.path.join(self._folder, name)
            for name in os.listdir(self._folder)
            if name.startswith(mark) and name.endswith(".part") and name not in known
        ]


def _size(path: str) -> int:
    return fs.regular_size(path) or 0
