"""The partial files of a download, which later attempts resume.

::

    <sha256>.<process and random>.part      of one attempt, while it runs or after it was killed
    <sha256>.part                           of the last attempt that ended
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


class PartialFiles:
    """The partial files of one download, in the folder of all downloads.

    Attributes:
        own: The path for this attempt.
        shared: The path to which an attempt moves its file when it ends.
    """

    def __init__(self, folder: str, sha256: str) -> None:
        self.own = os.path.join(folder, f"{sha256}.{fs.unique()}.part")
        self.shared = os.path.join(folder, f"{sha256}.part")
        self._folder = folder
        self._sha256 = sha256
        self._etag_path = os.path.join(folder, f"{sha256}.etag")

    def longest(self, limit: int) -> str | None:
        """Return the longest file of other attempts that has at most ``limit`` bytes, or None."""
        paths = [path for path in (self.shared, *self._orphans()) if 0 < _size(path) <= limit]
        return max(paths, key=_size, default=None)

    def drop(self, path: str, size: int) -> None:
        """Remove a file with wrong content, unless a process has written to it since it had this size."""
        with suppress(OSError):
            if _size(path) == size:
                fs.remove(path)

    def sweep(self) -> None:
        """Remove the files of killed processes, and old files of other downloads."""
        limits = dict.fromkeys(self._orphans(), STALE_SECONDS)
        for name in os.listdir(self._folder):
            if name.endswith((".part", ".etag")) and not name.startswith(self._sha256):
                limits[os.path.join(self._folder, name)] = FORGOTTEN_SECONDS
        for path, seconds in limits.items():
            # The age spares files of running processes; some systems refuse to remove those anyway.
            with suppress(OSError):
                if time.time() - os.stat(path).st_mtime > seconds:
                    os.unlink(path)

    def discard(self) -> None:
        """Remove all files but those of other processes; one that cannot be removed stays."""
        for path in (self.own, self.shared, self._etag_path):
            with suppress(OSError):
                fs.remove(path)
        with suppress(OSError):
            self.sweep()

    def etag(self) -> str | None:
        """Return the ETag that the file came with, or None."""
        with suppress(fs.NoFileError):
            etag = (fs.read(self._etag_path, _LONGEST_ETAG) or b"").decode("ascii", "replace")
            return etag if _STRONG_TAG.fullmatch(etag) else None
        return None

    def write_etag(self, etag: str) -> None:
        """Store the ETag of what is received from now on; a weak one does not guarantee the same bytes.

        Source: RFC 9110, section 13.1.5.
        """
        if _STRONG_TAG.fullmatch(etag):
            fs.write_private(self._etag_path, etag.encode("ascii"))
        else:
            fs.remove(self._etag_path)

    def _orphans(self) -> list[str]:
        """Return the files of processes that were killed or are still running."""
        mark = f"{self._sha256}."
        known = {os.path.basename(self.own), os.path.basename(self.shared)}
        return [
            os.path.join(self._folder, name)
            for name in os.listdir(self._folder)
            if name.startswith(mark) and name.endswith(".part") and name not in known
        ]


def _size(path: str) -> int:
    return fs.regular_size(path) or 0
