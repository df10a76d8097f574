"""Files over HTTP with ``Range``, ``If-Range`` and a strong ``ETag`` (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from nimbus_sdk.sandbox.http.responses import FilePart, Reply

_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def file_reply(path: Path, sha256: str, wanted: Mapping[str, str], filename: str) -> Reply:
    """The file, or the part of it that was asked for.

    Args:
        path: The file.
        sha256: Its SHA-256 in hexadecimal: the entity tag is made from it.
        wanted: The request's headers, by lower-case name.
        filename: The name it is to be saved under.
    """
    size = path.stat().st_size
    etag = f'"{sha256[:32]}"'
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename={filename}",
        "Accept-Ranges": "bytes",
        "ETag": etag,
    }
    asked = wanted.get("range")
    condition = wanted.get("if-range")
    if asked is None or (condition is not None and condition != etag):
        return Reply(200, headers, FilePart(path, 0, size))
    found = _ONE_RANGE.fullmatch(asked.strip())
    if found is None or found.groups() == ("", ""):
        return Reply(200, headers, FilePart(path, 0, size))
    part = _bounds(found.group(1), found.group(2), size)
    if part is None:
        return Reply(416, {**headers, "Content-Range": f"bytes */{size}"})
    start, end = part
    return Reply(
        206,
        {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"},
        FilePart(path, start, end - start),
    )


def _bounds(first: str, last: str, size: int) -> tuple[int, int] | None:
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return (start, end) if start < end else None
