"""The seal of the audit trail: how far it goes, in a file of its own.

A chain shows what is missing within it, and not what was cut off its end. The seal names the last line; it
carries an HMAC under this installation's secret, so that whoever cuts the trail, or writes it anew from some
line on, cannot make it fit without that secret. Each line carries a stamp, an HMAC of what it says: a process
that is killed between line and seal leaves one line that no seal names, and nobody else can make such a line.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os

from nimbus_sdk import disk
from nimbus_sdk.services.audit_line import Mark, stamped
from nimbus_sdk.store import files

_SIZE = 256
_LINE = b"nimbus-sdk audit line "
_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Seal:
    """The file that names the last line; whoever writes to it holds the trail's lock.

    Args:
        path: The file.
        secret_path: ``Places.seal``.
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
        descriptor = os.open(self.path, _FLAGS, disk.PRIVATE_FILE)
        try:
            disk.write_all(descriptor, content)
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
