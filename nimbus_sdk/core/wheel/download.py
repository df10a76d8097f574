"""A file that arrives over as many attempts, and processes, as it takes.

:class:`Download` knows no network: it is handed the bytes, hashes them while it writes them, and says
which part is there. Every download writes into a file of its own name; what an earlier one left behind is
copied, never continued in place, so that two processes that fetch the same file cannot garble it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256 as new_hash

from nimbus_sdk.core.wheel.partial_files import Parts
from nimbus_sdk.errors import SUPPORT, CoreDownloadError, CoreIntegrityError
from nimbus_sdk.storage import fs, os_errors

COPY_BYTES = 2**20
STRANGER = "A captive portal or a proxy may stand in between; then run it again."
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


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
            raise CoreIntegrityError(
                f"What {name} must contain is not told by a SHA-256.", hint=f"Write to {SUPPORT}."
            )
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
        self._parts = Parts(folder, sha256)
        self._taken: tuple[str, int] | None = None

    def open(self) -> None:
        """Make the file, and take over the longest part that was left behind.

        Raises:
            CoreInstallError: The disk refused.
        """
        with os_errors.disk_errors(self.folder):
            fs.make_private_folder(self.folder)
            self._descriptor = fs.create(self._parts.own)
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
        with os_errors.disk_errors(self.folder):
            etag = self._parts.etag()
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
        with os_errors.disk_errors(self.folder):
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
                    hint=STRANGER,
                )
            self._useless = False
            self.restart()
            self.resumed = False
            self._parts.remember_etag(headers.get("etag", ""))

    def write(self, chunk: bytes) -> None:
        """The next bytes.

        Raises:
            CoreIntegrityError: More came than the file has; nothing of it is kept.
            CoreInstallError: The disk refused.
        """
        if self._useless:
            return
        with os_errors.disk_errors(self.folder):
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
        with os_errors.disk_errors(self.folder):
            os.ftruncate(self._open_descriptor(), 0)
            os.lseek(self._open_descriptor(), 0, os.SEEK_SET)
            self._hash = new_hash()
            self._taken = None
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
            if self._taken is not None:
                # Else every attempt to come would take it over as well.
                self._parts.drop(*self._taken)
            self.restart()
            raise CoreIntegrityError(
                f"The download of {self.name} does not match what was published.",
                issues=(f"SHA-256 is {found}, not {self.sha256}",),
            )
        with os_errors.disk_errors(self.folder):
            self._close_descriptor()
        return self._parts.own

    def set_aside(self) -> None:
        """Close the file and leave what is there to a later attempt; as good without :meth:`open`."""
        if self._descriptor is None:
            return
        self._close_descriptor()
        # Where the disk refuses, the part stays under its own name, and a later attempt finds it there.
        with suppress(OSError):
            if self.received:
                fs.rename(self._parts.own, self._parts.shelf)
            else:
                fs.remove(self._parts.own)

    def discard(self) -> None:
        """Remove the file and whatever earlier attempts left of it.

        What the disk does not let go of stays: the file may have served its purpose by now, and an install
        that is done must not fail for it. A later download uses it, or removes it.
        """
        with suppress(OSError):
            self._close_descriptor()
        self._parts.discard()

    def _take_over(self) -> None:
        longest = self._parts.longest(self.size)
        if longest is None:
            return
        # Another process may take it at the same time: whoever comes late starts from nothing.
        with suppress(FileNotFoundError, PermissionError), open(longest, "rb", buffering=0) as part:
            while chunk := part.read(min(COPY_BYTES, self.size - self.received)):
                self._append(chunk)
        self.resumed = self.received > 0
        self._taken = (longest, self.received)
        fs.remove(self._parts.shelf)
        self._parts.sweep()
        if self._report is not None and self.received:
            self._report(self.received, self.size)

    def _append(self, chunk: bytes) -> None:
        fs.write_all(self._open_descriptor(), chunk)
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

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise RuntimeError("open() comes first")
        return self._descriptor

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
