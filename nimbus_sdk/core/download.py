"""A file that arrives over as many attempts, and processes, as it takes.

:class:`Download` knows no network: it is handed the bytes, hashes them while it writes them, and says
which part is there. Every download writes into a file of its own name; what an earlier one left behind is
copied, never continued in place, so that two processes that fetch the same file cannot garble it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256 as new_hash

from nimbus_sdk import disk
from nimbus_sdk.core import refused
from nimbus_sdk.errors import CoreDownloadError, CoreIntegrityError

COPY_BYTES = 2**20
STALE_SECONDS = 3600.0
FORGOTTEN_SECONDS = 7 * 86_400.0
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


class Download:
    """Receives one file whose size and SHA-256 are known (a :class:`nimbus_sdk.transport.flow.Sink`).

    Args:
        folder: Where parts are kept; made for this user alone.
        name: What the file is, for messages.
        size: Its size in bytes.
        sha256: Its SHA-256, in lower-case hexadecimal.
        report: Is told the bytes that are there and the size, whenever there are more.

    Attributes:
        received: Bytes that are there.
        resumed: Whether they were put together from several attempts, so that a fresh one may do better.

    Raises:
        CoreIntegrityError: ``sha256`` is none.

    Example:
        >>> import hashlib, tempfile
        >>> from pathlib import Path
        >>> content = b"a model"
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     download = Download(folder, "model", len(content), hashlib.sha256(content).hexdigest())
        ...     download.open()
        ...     download.begin(200, {})
        ...     download.write(content)
        ...     Path(download.finish()).read_bytes()
        b'a model'
    """

    def __init__(
        self,
        folder: str,
        name: str,
        size: int,
        sha256: str,
        report: Callable[[int, int], None] | None = None,
    ) -> None:
        if _SHA256.fullmatch(sha256) is None:
            raise CoreIntegrityError(f"What {name} must contain is not told by a SHA-256.")
        self.folder = folder
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.received = 0
        self.resumed = False
        self._report = report
        self._hash = new_hash()
        self._descriptor: int | None = None
        self._useless = False
        self._path = os.path.join(folder, f"{sha256}.{disk.unique()}.part")
        self._shelf = os.path.join(folder, f"{sha256}.part")
        self._etag_path = os.path.join(folder, f"{sha256}.etag")

    def open(self) -> None:
        """Make the file, and take over the longest part that was left behind.

        Raises:
            CoreInstallError: The disk refused.
        """
        with refused.told(self.folder):
            disk.make_private_folder(self.folder)
            self._descriptor = disk.create(self._path)
            self._take_over()

    @property
    def complete(self) -> bool:
        """Whether every byte is there; :meth:`finish` tells whether they are the right ones."""
        return self.received == self.size

    def request_headers(self) -> Mapping[str, str]:
        """``Range``, and ``If-Range`` where the part's ETag is known; nothing where there is no part.

        Raises:
            CoreInstallError: The disk refused.
        """
        if not 0 < self.received < self.size:
            return {}
        headers = {"Range": f"bytes={self.received}-"}
        with refused.told(self.folder):
            etag = self._etag()
        if etag is not None:
            headers["If-Range"] = etag
        return headers

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer starts: 206 continues where it fits what is there, 200 starts anew.

        An answer that fits neither is let pass unused, and the next attempt starts anew.

        Raises:
            CoreDownloadError: Something else is sent in place of the file; what is there is kept.
            CoreInstallError: The disk refused.
        """
        with refused.told(self.folder):
            if status == 206:
                self._useless = not self._continues(headers.get("content-range", ""))
                if self._useless:
                    self.restart()
                return
            length = headers.get("content-length", "")
            if length.isascii() and length.isdigit() and int(length[:19]) != self.size:
                kind = headers.get("content-type", "an unknown type")[:80]
                raise CoreDownloadError(
                    f"In place of {self.name} ({self.size} bytes) came {length[:19]} bytes of {kind!a}.",
                    hint="A captive portal or a proxy may stand in between; then run it again.",
                )
            self._useless = False
            self.restart()
            self.resumed = False
            self._remember_etag(headers.get("etag", ""))

    def write(self, chunk: bytes) -> None:
        """The next bytes.

        Raises:
            CoreIntegrityError: More came than the file has; nothing of it is kept.
            CoreInstallError: The disk refused.
        """
        if self._useless:
            return
        with refused.told(self.folder):
            if self.received + len(chunk) > self.size:
                self.restart()
                raise CoreIntegrityError(f"More than the {self.size} bytes of {self.name} were sent.")
            self._append(chunk)
        if self._report is not None:
            self._report(self.received, self.size)

    def restart(self) -> None:
        """Start anew: nothing of what is there is used.

        Raises:
            CoreInstallError: The disk refused.
        """
        with refused.told(self.folder):
            os.ftruncate(self._open_descriptor(), 0)
            os.lseek(self._open_descriptor(), 0, os.SEEK_SET)
            self._hash = new_hash()
            self.received = 0

    def finish(self) -> str:
        """Check length, then digest.

        Returns:
            The path of the whole file, which belongs to the caller; :meth:`discard` removes it.

        Raises:
            CoreDownloadError: Bytes are missing; those that are there are kept.
            CoreIntegrityError: It is not the file that was published; nothing of it is kept.
        """
        if not self.complete:
            raise CoreDownloadError(
                f"The download of {self.name} is incomplete: {self.received} of {self.size} bytes."
            )
        found = self._hash.hexdigest()
        if found != self.sha256:
            self.restart()
            raise CoreIntegrityError(
                f"The download of {self.name} does not match what was published.",
                issues=(f"SHA-256 is {found}, not {self.sha256}",),
            )
        with refused.told(self.folder):
            self._close_descriptor()
        return self._path

    def set_aside(self) -> None:
        """Close the file and leave what is there to a later attempt; as good without :meth:`open`."""
        if self._descriptor is None:
            return
        self._close_descriptor()
        # Where the disk refuses, the part stays under its own name, and a later attempt finds it there.
        with suppress(OSError):
            if self.received:
                disk.rename(self._path, self._shelf)
            else:
                disk.remove(self._path)

    def discard(self) -> None:
        """Remove the file and whatever earlier attempts left of it.

        What the disk does not let go of stays: the file may have served its purpose by now, and an install
        that is done must not fail for it. A later download uses it, or removes it.
        """
        with suppress(OSError):
            self._close_descriptor()
        for path in (self._path, self._shelf, self._etag_path):
            with suppress(OSError):
                disk.remove(path)
        with suppress(OSError):
            self._sweep()

    def _take_over(self) -> None:
        parts = [path for path in (self._shelf, *self._orphans()) if 0 < _size(path) <= self.size]
        if not parts:
            return
        longest = max(parts, key=_size)
        # Another process may take it at the same time: whoever comes late starts from nothing.
        with suppress(FileNotFoundError, PermissionError), open(longest, "rb", buffering=0) as part:
            while chunk := part.read(min(COPY_BYTES, self.size - self.received)):
                self._append(chunk)
        self.resumed = self.received > 0
        disk.remove(self._shelf)
        self._sweep()
        if self._report is not None and self.received:
            self._report(self.received, self.size)

    def _sweep(self) -> None:
        """Remove what killed processes left of this file, and what nobody came back for of others."""
        limits = dict.fromkeys(self._orphans(), STALE_SECONDS)
        for name in os.listdir(self.folder):
            if name.endswith((".part", ".etag")) and not name.startswith(self.sha256):
                limits[os.path.join(self.folder, name)] = FORGOTTEN_SECONDS
        for path, seconds in limits.items():
            # A process that is still at work there must keep its file; some systems refuse it anyway.
            with suppress(OSError):
                if time.time() - os.stat(path).st_mtime > seconds:
                    os.unlink(path)

    def _orphans(self) -> list[str]:
        """Parts of processes that were killed, or are still at work."""
        own = os.path.basename(self._path)
        names = os.listdir(self.folder)
        mark = f"{self.sha256}."
        return [
            os.path.join(self.folder, name)
            for name in names
            if name.startswith(mark) and name.endswith(".part") and name not in (own, f"{mark}part")
        ]

    def _append(self, chunk: bytes) -> None:
        disk.write_all(self._open_descriptor(), chunk)
        self._hash.update(chunk)
        self.received += len(chunk)

    def _continues(self, content_range: str) -> bool:
        told = _CONTENT_RANGE.fullmatch(content_range.strip())
        if told is None or int(told[1]) != self.received or int(told[2]) != self.size - 1:
            return False
        if told[3] not in ("*", str(self.size)):
            return False
        self.resumed = True
        return True

    def _etag(self) -> str | None:
        with suppress(disk.NoFileError):
            etag = (disk.read(self._etag_path, 256) or b"").decode("ascii", "replace")
            return etag if _STRONG_TAG.fullmatch(etag) else None
        return None

    def _remember_etag(self, etag: str) -> None:
        # A weak tag does not promise the same bytes (RFC 9110, section 13.1.5).
        if _STRONG_TAG.fullmatch(etag):
            disk.write_private(self._etag_path, etag.encode("ascii"))
        else:
            disk.remove(self._etag_path)

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise RuntimeError("open() comes first")
        return self._descriptor

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _size(path: str) -> int:
    return disk.regular_size(path) or 0
