"""One line of the audit trail: what it says, and how it is bound to the line before it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

from nimbus_sdk.storage import files, fs

GENESIS = "0" * 64
"""Stands for the line before the first."""

LONGEST_LINE = 2**16
_STAMP = b',"stamp":"'


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One call; never its payload, never a value of its query.

    Attributes:
        when: When it began, UTC, such as ``2026-01-31T09:00:00.123Z``.
        who: The user of this machine's operating system.
        host: Host and port of the service.
        environment: ``sandbox`` or ``production``.
        method: HTTP method.
        path: Path without its query.
        status: HTTP status, or None where no answer came.
        request_id: What service and support know the call by, or None.
        key: First 12 hexadecimal digits of the SHA-256 of the key that was used, or None.
        duration_ms: From first attempt to last answer, waits included.
    """

    when: str
    who: str
    host: str
    environment: str
    method: str
    path: str
    status: int | None
    request_id: str | None
    key: str | None
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A line as the next one knows it: its number, and the SHA-256 of its bytes."""

    number: int
    digest: str


START = Mark(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was read.

    Attributes:
        number: Its place in the whole trail, from 1.
        previous: SHA-256 of the line before it, as it claims.
        digest: SHA-256 of its own bytes.
        entry: What it says.
    """

    number: int
    previous: str
    digest: str
    entry: AuditEntry

    @property
    def mark(self) -> Mark:
        """What the next line refers to."""
        return Mark(self.number, self.digest)


def written(entry: AuditEntry, before: Mark, stamp: Callable[[bytes], str]) -> tuple[bytes, Mark]:
    """The bytes of a line, without its end, and the mark for the next.

    Args:
        entry: What it says.
        before: The line before it.
        stamp: Proves that it was written here, see :meth:`nimbus_sdk.services.audit.entry.Seal.stamp`.
    """
    told = {"number": before.number + 1, **asdict(entry), "previous": before.digest}
    content = json.dumps(told, separators=(",", ":")).encode("ascii")
    line = b'%s%s%s"}' % (content[:-1], _STAMP, stamp(content).encode("ascii"))
    return line, Mark(before.number + 1, digest_of(line))


def stamped(line: bytes) -> tuple[bytes, str]:
    """What a line says, as it was stamped, and its stamp; empty where it has none.

    Example:
        >>> stamped(b'{"number":1,"stamp":"0f"}'), stamped(b'{"number":1}')
        ((b'{"number":1}', '0f'), (b'{"number":1}', ''))
    """
    content, found, stamp = line.rpartition(_STAMP)
    if not found:
        return line, ""
    return content + b"}", stamp.removesuffix(b'"}').decode("ascii", "replace")


def read_line(line: bytes) -> Line | None:
    """A line as it was written; None where it is no such thing.

    Example:
        >>> entry = AuditEntry(when="2026-01-31T09:00:00.000Z", who="ada", host="127.0.0.1:1", key=None,
        ...     environment="sandbox", method="GET", path="/orders", status=200, request_id=None,
        ...     duration_ms=1.5)
        >>> line, mark = written(entry, START, lambda content: "0f")
        >>> read_line(line).mark == mark, read_line(line[:-5])
        (True, None)
    """
    try:
        told = json.loads(line)
        entry = AuditEntry(**{field.name: told[field.name] for field in fields(AuditEntry)})
        number, previous = told["number"], told["previous"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if type(number) is not int or not isinstance(previous, str):
        return None
    return Line(number, previous, digest_of(line), entry)


def digest_of(line: bytes) -> str:
    """SHA-256 of a line's bytes, without its end, in hexadecimal."""
    return hashlib.sha256(line).hexdigest()


_SIZE = 256
_LINE = b"nimbus-sdk audit line "
_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Seal:
    """The file that names the last line; whoever writes to it holds the trail's lock.

    Args:
        path: The file.
        secret_path: ``Paths.seal``.
    """

    def __init__(self, path: str, secret_path: str) -> None:
        self.path = path
        self._secret_path = secret_path

    def read(self) -> Mark | None:
        """The line that it names; None where there is no seal, or not one that was made here.

        Raises:
            OSError: It is there and cannot be read.
        """
        content = files.read(self.path)
        secret = files.read(self._secret_path)
        try:
            told = json.loads(content or b"null")
            mark = Mark(told["number"], told["digest"])
            genuine = secret and hmac.compare_digest(told["seal"], _mac(secret, _named(mark)))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return mark if genuine else None

    def write(self, mark: Mark) -> None:
        """Name another line.

        Raises:
            OSError: The disk refused.
        """
        told = {"number": mark.number, "digest": mark.digest, "seal": _mac(self._secret(), _named(mark))}
        content = json.dumps(told).encode("ascii").ljust(_SIZE - 1) + b"\n"
        # Written over and not replaced: it lies within one block, and a rename costs a second sync.
        descriptor = os.open(self.path, _FLAGS, fs.PRIVATE_FILE)
        try:
            fs.write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def stamp(self, content: bytes) -> str:
        """The stamp of a line that says this.

        Raises:
            OSError: The secret cannot be read or made.
        """
        return _mac(self._secret(), _LINE + content)

    def has_stamped(self, line: bytes) -> bool:
        """Whether a line was written under this installation's secret.

        Raises:
            OSError: The secret is there and cannot be read.
        """
        content, stamp = stamped(line)
        secret = files.read(self._secret_path)
        if secret is None:
            return False
        return hmac.compare_digest(stamp.encode(), _mac(secret, _LINE + content).encode())

    def _secret(self) -> bytes:
        return files.create_once(self._secret_path, os.urandom(32).hex().encode())


def _named(mark: Mark) -> bytes:
    return f"nimbus-sdk audit trail {mark.number} {mark.digest}".encode("utf-8", "surrogatepass")


def _mac(secret: bytes, content: bytes) -> str:
    return hmac.new(secret, content, hashlib.sha256).hexdigest()
