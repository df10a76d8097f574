"""Download a file, over as many attempts and processes as it takes.

The partial files of a download, which later attempts resume::

    <sha256>.<process and random>.part      of one attempt, while it runs or after it was killed
    <sha256>.part                           of the last attempt that ended
    <sha256>.etag                           the ETag that it came with
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256 as new_hash
from typing import TYPE_CHECKING, TypeAlias

from nimbus_sdk import errors
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.github import OUT_OF_RANGE, open_asset
from nimbus_sdk.storage import fs
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from pydantic import SecretStr

    from nimbus_sdk.core.wheel.release import Asset

MAX_ROUNDS = 3
COPY_BYTES = 2**20
PROGRESS_BYTES = 4096
"""What must arrive to count as progress: single bytes that drip in would hold a program up for days."""
Report: TypeAlias = Callable[[int, int, float | None], None]
PROXY_HINT = "Check for a captive portal or a proxy in between, then run it again."
STALE_SECONDS = 3600.0
FORGOTTEN_SECONDS = 7 * 86_400.0
_LONGEST_ETAG = 256
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')
_SHA256 = re.compile(r"[0-9a-f]{64}")


def download_asset(settings: Settings, asset: Asset, token: SecretStr, sink: FileSink) -> Flow[str]:
    """Fetch an asset into a download, check it, and return its path."""

    def fetch() -> Flow[None]:
        try:
            response = yield from open_asset(settings, token, asset.id, "asset", asset.name, sink)
        except (errors.NimbusConnectionError, errors.CoreDownloadError, errors.ResponseFormatError) as error:
            stored = f" {sink.received} of {sink.size} bytes are stored." if sink.received else ""
            resumes = " The next run resumes there." if sink.received else ""
            raise errors.CoreDownloadError(
                f"{error.message}{stored}", hint=f"{error.hint}{resumes}"
            ) from error
        if response.status == OUT_OF_RANGE:
            yield from run_blocking(sink.restart)

    return download_until_complete(sink, fetch)


def download_until_complete(sink: FileSink, fetch: Callable[[], Flow[object]]) -> Flow[str]:
    """Send requests with ``fetch`` until a file is complete, check it, and return its path.

    What earlier runs received is resumed, and after an error is stored for the next one. A response that
    ends early is continued, up to three times without progress. A file that was assembled from several
    attempts and has wrong content is fetched once more from the start.
    """
    rounds, is_second = MAX_ROUNDS, False
    try:
        yield from run_blocking(sink.open)
        while True:
            progress = sink.progress
            try:
                if not sink.complete:
                    yield from fetch()
                rounds = MAX_ROUNDS if sink.progress > progress else rounds - 1
                if sink.complete or not rounds:
                    return (yield from run_blocking(sink.finish))
            except errors.CoreIntegrityError:
                if is_second or not sink.resumed:
                    raise
                rounds, is_second, sink.progress = MAX_ROUNDS, True, 0
    finally:
        sink.set_aside()


class FileSink:
    """Receives one file whose size and SHA-256 are known (a ``nimbus_sdk.transport.flow.Sink``).

    It hashes the bytes while it writes them. Each download has a file of its own: that of an earlier one is
    copied, never continued in place, so that two processes that fetch the same file cannot corrupt it. The
    methods raise ``CoreInstallError`` if the disk refuses. ``report`` is called with the bytes received so
    far, the size, and the seconds until the next attempt or None.

    Attributes:
        progress: Steps of 4 KiB that were received, the most so far; what is sent again does not count.
        resumed: Whether they come from several attempts, so that a new one may help if they are wrong.
    """

    def __init__(self, folder: str, name: str, size: int, sha256: str, report: Report | None = None) -> None:
        if _SHA256.fullmatch(sha256) is None:
            raise errors.CoreIntegrityError(
                f"No valid SHA-256 is published for {name}.", hint=f"Write to {errors.SUPPORT}."
            )
        self.folder = folder
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.received = 0
        self.progress = 0
        self.resumed = False
        self._report = report
        self._hash = new_hash()
        self._descriptor: int | None = None
        self._ignored = False
        self._partial = PartialFiles(folder, sha256)
        self._copied: tuple[str, int] | None = None

    def open(self) -> None:
        """Create the file, and copy the longest partial file of earlier attempts."""
        with fs.disk_errors(self.folder):
            fs.make_private_folder(self.folder)
            self._descriptor = fs.create(self._partial.own)
            self._copy_longest()

    @property
    def complete(self) -> bool:
        """Whether every byte was received; ``finish`` checks them."""
        return self.received == self.size

    def request_headers(self) -> Mapping[str, str]:
        """Return ``Range``, and ``If-Range`` if the ETag is known; nothing if no byte was received."""
        if not 0 < self.received < self.size:
            return {}
        headers = {"Range": f"bytes={self.received}-"}
        with fs.disk_errors(self.folder):
            etag = self._partial.etag()
        if etag is not None:
            headers["If-Range"] = etag
        return headers

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Start a response: 206 continues if it fits the bytes received so far, 200 starts again.

        The body of a 206 that does not fit is ignored, and the next attempt starts again. If something other
        than the file is sent, the bytes received so far stay.
        """
        with fs.disk_errors(self.folder):
            if status == 206:
                expected = f"bytes {self.received}-{self.size - 1}"
                ranges = (f"{expected}/{self.size}", f"{expected}/*")
                self._ignored = headers.get("content-range", "").strip() not in ranges
                if self._ignored:
                    self.restart()
                else:
                    self.resumed = True
                return
            length = headers.get("content-length", "")
            if length.isascii() and length.isdigit() and int(length[:19]) != self.size:
                kind = headers.get("content-type", "an unknown type")[:80]
                raise errors.CoreDownloadError(
                    f"Instead of {self.name} ({self.size} bytes), {length[:19]} bytes of {kind!a} were sent.",
                    hint=PROXY_HINT,
                )
            self._ignored = False
            self.restart()
            self.resumed = False
            self._partial.write_etag(headers.get("etag", ""))

    def write(self, chunk: bytes) -> None:
        """Write the next bytes; if they are more than the file has, drop all."""
        if self._ignored:
            return
        with fs.disk_errors(self.folder):
            if self.received + len(chunk) > self.size:
                self.restart()
                raise errors.CoreIntegrityError(f"More than the {self.size} bytes of {self.name} were sent.")
            self._append(chunk)
        self._show()

    def pause(self, seconds: float) -> None:
        """Report that the next attempt begins in some seconds."""
        self._show(seconds)

    def restart(self) -> None:
        """Drop the bytes received so far."""
        with fs.disk_errors(self.folder):
            os.ftruncate(self._open_descriptor(), 0)
            os.lseek(self._open_descriptor(), 0, os.SEEK_SET)
            self._hash = new_hash()
            self._copied = None
            self.received = 0

    def finish(self) -> str:
        """Check size and digest; return the path of the complete file, which belongs to the caller.

        If bytes are missing, those received so far stay; with wrong content, the file is dropped.
        """
        if not self.complete:
            raise errors.CoreDownloadError(
                f"The download of {self.name} is incomplete: {self.received} of {self.size} bytes."
            )
        sha256 = self._hash.hexdigest()
        if sha256 != self.sha256:
            if self._copied is not None:
                # Otherwise every later attempt would copy it as well.
                self._partial.drop(*self._copied)
            self.restart()
            raise errors.CoreIntegrityError(
                f"The download of {self.name} does not match what was published.",
                issues=(f"SHA-256 is {sha256}, not {self.sha256}",),
            )
        with fs.disk_errors(self.folder):
            self._close_descriptor()
        return self._partial.own

    def set_aside(self) -> None:
        """Close the file and leave it to a later attempt; has no effect without ``open``."""
        if self._descriptor is None:
            return
        self._close_descriptor()
        # If the disk refuses, the file keeps its own name, and a later attempt finds it there.
        with suppress(OSError):
            if self.received:
                fs.rename(self._partial.own, self._partial.shared)
            else:
                fs.remove(self._partial.own)

    def discard(self) -> None:
        """Remove the file and those of earlier attempts; a later download uses or removes what stays."""
        with suppress(OSError):
            self._close_descriptor()
        self._partial.discard()

    def _copy_longest(self) -> None:
        longest = self._partial.longest(self.size)
        if longest is None:
            return
        # Another process may move it at the same time; then this one starts without it.
        with suppress(FileNotFoundError, PermissionError), open(longest, "rb", buffering=0) as part:
            while chunk := part.read(min(COPY_BYTES, self.size - self.received)):
                self._append(chunk)
        self.resumed = self.received > 0
        self._copied = (longest, self.received)
        fs.remove(self._partial.shared)
        self._partial.sweep()
        if self.received:
            self._show()

    def _append(self, chunk: bytes) -> None:
        fs.write_all(self._open_descriptor(), chunk)
        self._hash.update(chunk)
        self.received += len(chunk)
        self.progress = max(self.progress, self.received // PROGRESS_BYTES)

    def _show(self, retry_in: float | None = None) -> None:
        if self._report is not None:
            self._report(self.received, self.size, retry_in)

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise RuntimeError("the file is not open")
        return self._descriptor

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class PartialFiles:
    """The partial files of one download: ``own`` while this attempt runs, ``shared`` after it has ended."""

    def __init__(self, folder: str, sha256: str) -> None:
        self.own = os.path.join(folder, f"{sha256}.{fs.unique_suffix()}.part")
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
        """Store the ETag of what is received from now on."""
        # A weak one does not guarantee the same bytes. Source: RFC 9110, section 13.1.5.
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
    return fs.regular_file_size(path) or 0
