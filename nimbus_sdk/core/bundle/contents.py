"""The content of a bundle: the core's wheel with its hash, the session and the key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256

from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.errors import CoreIntegrityError, NimbusError


@dataclass(frozen=True, slots=True)
class Contents:
    """The key, its session from when the bundle was created, and the core's wheel with its file name."""

    key: ApiKey
    session: SessionRecord
    wheel_name: str
    wheel: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """SHA-256 of the wheel."""
        return sha256(self.wheel).hexdigest()

    def pack(self) -> bytes:
        """Return everything as bytes, which contain the key: to be encrypted at once."""
        facts = {
            "key": self.key.reveal(),
            "session": self.session.to_dict(),
            "wheel": {"name": self.wheel_name, "sha256": self.sha256},
        }
        described = json.dumps(facts).encode()
        return len(described).to_bytes(4, "big") + described + self.wheel

    @classmethod
    def unpack(cls, packed: bytes) -> Contents:
        """Read what ``pack`` returned.

        Raises:
            CoreIntegrityError: It is something else, or the wheel is not the one that was packed.
        """
        length = int.from_bytes(packed[:4], "big")
        try:
            facts = json.loads(packed[4 : 4 + length])
            contents = cls(
                ApiKey.parse(facts["key"]),
                SessionRecord.from_dict(facts["session"]),
                str(facts["wheel"]["name"]),
                packed[4 + length :],
            )
            expected = facts["wheel"]["sha256"]
        except (ValueError, KeyError, TypeError, RecursionError, NimbusError):
            contents = None
        # Not raised in the handler, whose frames and contexts would contain the key.
        if contents is None:
            raise CoreIntegrityError("The bundle was decrypted, but does not contain core, session and key.")
        if contents.sha256 != expected:
            raise CoreIntegrityError("The core in the bundle is not the one that was packed.")
        return contents
