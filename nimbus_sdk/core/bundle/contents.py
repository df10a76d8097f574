"""The content of a bundle: the session, the key and the core's wheel::

length of the description, 4 bytes, big-endian  |  description, JSON  |  wheel
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256 as new_hash

from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.core.wheel.protocol import LARGEST_WHEEL_BYTES
from nimbus_sdk.errors import CoreIntegrityError, NimbusError

LENGTH_BYTES = 4
LONGEST_DESCRIPTION = 2**20
LARGEST_BYTES = LENGTH_BYTES + LONGEST_DESCRIPTION + LARGEST_WHEEL_BYTES


@dataclass(frozen=True, slots=True)
class Contents:
    """The key, its session from when the bundle was created, and name and SHA-256 of the core's wheel."""

    key: ApiKey
    session: SessionRecord
    wheel_name: str
    sha256: str

    def describe(self) -> bytes:
        """Return what precedes the wheel; it contains the key."""
        fields = {
            "key": self.key.reveal(),
            "session": self.session.to_dict(),
            "wheel": {"name": self.wheel_name, "sha256": self.sha256},
        }
        description = json.dumps(fields).encode()
        return len(description).to_bytes(LENGTH_BYTES, "big") + description

    def pack(self, wheel: Iterable[bytes]) -> Iterator[bytes]:
        """Yield everything part by part, to be encrypted at once; no variable contains the key."""
        yield self.describe()
        yield from wheel

    @classmethod
    def unpack(cls, chunks: Iterable[bytes], write: Callable[[bytes], object]) -> Contents:
        """Read a description from what was packed, in any parts, and pass on the wheel that follows it.

        If the chunks end with an error, so does this, and nothing that was passed on may be used.
        """
        description, digest = bytearray(), new_hash()
        try:
            for chunk in chunks:
                rest = _fill(description, chunk)
                if rest:
                    digest.update(rest)
                    write(rest)
            contents = _read(description)
        finally:
            # It contains the key, and an error refers to this frame.
            description.clear()
            chunk = b""
        if contents is None:
            raise CoreIntegrityError("The bundle was decrypted, but does not contain core, session and key.")
        if contents.sha256 != digest.hexdigest():
            raise CoreIntegrityError("The core in the bundle is not the one that was packed.")
        return contents


def _fill(description: bytearray, chunk: bytes) -> bytes:
    """Add to a description what it lacks, and return the rest of the chunk; nothing if it is too long."""
    before = len(description)
    description += chunk[: max(0, LENGTH_BYTES - before)]
    if len(description) < LENGTH_BYTES:
        return b""
    length = int.from_bytes(description[:LENGTH_BYTES], "big")
    if length > LONGEST_DESCRIPTION:
        # The chunks are read all the same: their end says whether the passphrase was right.
        return b""
    rest = chunk[len(description) - before :]
    missing = LENGTH_BYTES + length - len(description)
    description += rest[:missing]
    return rest[missing:]


def _read(description: bytearray) -> Contents | None:
    try:
        fields = json.loads(description[LENGTH_BYTES:])
        return Contents(
            ApiKey.parse(fields["key"]),
            SessionRecord.from_dict(fields["session"]),
            str(fields["wheel"]["name"]),
            str(fields["wheel"]["sha256"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, NimbusError):
        # Not raised here, where frames and contexts contain the key.
        return None
