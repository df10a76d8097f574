"""Responses before they are sent: JSON, files, and the error bodies of each service.

Files are served with ``Range``, ``If-Range`` and a strong ``ETag`` (RFC 9110, sections 13 and 14).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.client import responses as reason_phrases
from pathlib import Path
from typing import NamedTuple

# Measured with curl on loopback: 64 KiB chunks reach 5 GB/s, 256 KiB 8, 1 MiB 7.5.
CHUNK_SIZE = 256 * 1024
_SINGLE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class FilePart:
    """A range of bytes of a file."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers and body of one response; ``Content-Length`` follows from the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""

    @property
    def length(self) -> int:
        """Number of bytes of the body."""
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)

    def iter_body(self) -> Iterator[bytes]:
        """Yield the body in chunks of at most 256 KiB."""
        if isinstance(self.body, bytes):
            for start in range(0, len(self.body), CHUNK_SIZE):
                yield self.body[start : start + CHUNK_SIZE]
            return
        left = self.body.length
        with self.body.path.open("rb", buffering=0) as file:
            file.seek(self.body.start)
            while left:
                chunk = file.read(min(CHUNK_SIZE, left))
                if not chunk:
                    raise EOFError(f"{self.body.path.name} became shorter while it was served")
                left -= len(chunk)
                yield chunk

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """Return a copy with these headers added; they replace those of the same name."""
        replaced = {name.lower() for name in headers}
        others = {name: value for name, value in self.headers.items() if name.lower() not in replaced}
        return replace(self, headers={**others, **headers})


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response whose body is JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, text.encode())


def file_response(
    path: Path, sha256: str, request_headers: Mapping[str, str], download_name: str
) -> Response:
    """Return a file, or the range of it that the request asks for; its entity tag is from its SHA-256."""
    size = path.stat().st_size
    etag = f'"{sha256[:32]}"'
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename={download_name}",
        "Accept-Ranges": "bytes",
        "ETag": etag,
    }
    match = _SINGLE_RANGE.fullmatch(request_headers.get("range", "").strip())
    if match is None or match.groups() == ("", "") or request_headers.get("if-range", etag) != etag:
        return Response(200, headers, FilePart(path, 0, size))
    start, end = _bounds(match[1], match[2], size)
    if start >= end:
        return Response(416, {**headers, "Content-Range": f"bytes */{size}"})
    return Response(
        206,
        {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"},
        FilePart(path, start, end - start),
    )


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)


class HttpError(Exception):
    """Ends a request with an error body: a code of its service or a status, a text for this case, headers."""

    def __init__(
        self,
        code: str | None = None,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        status: int | None = None,
    ) -> None:
        super().__init__(code or status)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.status = status


class ErrorDetails(NamedTuple):
    """What an error body is written from; ``text`` is the documented wording, ``message`` that of a case."""

    status: int
    code: str
    text: str
    message: str | None
    request_id: str


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """How one service writes its errors: status and wording by code, and the JSON body.

    ``by_status`` has the code of a bare status, where that is not the first one of that status.
    """

    codes: Mapping[str, tuple[int, str]]
    default_code: str
    body: Callable[[ErrorDetails], object]
    by_status: Mapping[int, str] = field(default_factory=dict)

    def response(self, error: HttpError, request_id: str) -> Response:
        """Return the response to an error; status and code default to what is usual for the other of them."""
        status, code = error.status, error.code
        if status is None:
            status = self.codes.get(code or "", (500, ""))[0]
        if code is None:
            codes = (name for name, (usual_status, _) in self.codes.items() if usual_status == status)
            code = self.by_status.get(status) or next(codes, self.default_code)
        text = self.codes[code][1] if code in self.codes else reason_phrases.get(status, "Unknown")
        details = ErrorDetails(status, code, text, error.message, request_id)
        return json_response(status, self.body(details), error.headers)


def iso(timestamp: float) -> str:
    """Return Unix seconds, as all times are inside the sandbox, as ISO 8601 with a ``Z``."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(timestamp: float | None) -> str | None:
    """Return ``iso`` of a time, or None for None."""
    return None if timestamp is None else iso(timestamp)
