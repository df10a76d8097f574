"""An answer before it goes on the wire: status, headers, and a body in memory or in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

# Measured with curl on loopback: 64 KiB pieces reach 5 GB/s, 256 KiB 8, 1 MiB 7.5.
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class FilePart:
    """A stretch of a file on disk."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and body of one answer; ``Content-Length`` follows from the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""

    @property
    def length(self) -> int:
        """Bytes of body."""
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)

    def pieces(self) -> Iterator[bytes]:
        """The body, 256 KiB at a time."""
        if isinstance(self.body, bytes):
            for start in range(0, len(self.body), PIECE):
                yield self.body[start : start + PIECE]
            return
        left = self.body.length
        with self.body.path.open("rb", buffering=0) as file:
            file.seek(self.body.start)
            while left:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise EOFError(f"{self.body.path.name} became shorter while it was served")
                left -= len(piece)
                yield piece

    def with_headers(self, headers: Mapping[str, str]) -> Reply:
        """The same answer with these headers added, or put in place of those of the same name."""
        named = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in named}
        return replace(self, headers={**kept, **headers})


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer whose body is JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, text.encode())


class Answered(Exception):  # noqa: N818  an answer in the making, not an error of the program
    """Ends a request with this answer, from wherever it is raised."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply
