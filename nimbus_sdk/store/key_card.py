"""The note beside a stored key: what may be known of it without reading it.

It says for which API the key was found valid. A stored key goes to that API alone, so that a ``.env`` in
a cloned repository cannot have it sent elsewhere by naming another ``NIMBUS_SDK_API_URL``.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from nimbus_sdk import disk
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.settings import Settings, origin
from nimbus_sdk.store import files
from nimbus_sdk.store.places import Places

if TYPE_CHECKING:
    from nimbus_sdk.store.key_kind import Key

DEFAULT_ORIGIN = origin(Settings().api_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCard:
    """What is noted of a stored key; none of it is secret.

    Attributes:
        fingerprint: First 12 hexadecimal digits of the SHA-256 of the key it speaks of.
        masked: What people may see of the key.
        store: ``keyring`` or ``file``.
        origin: Scheme, host and port of the API at which the key was found valid.
        saved_at: UTC, such as ``2026-01-31T09:00:00Z``.
    """

    fingerprint: str
    masked: str
    store: str
    origin: str
    saved_at: str

    @classmethod
    def of(cls, key: Key, *, store: str, origin: str, now: float) -> KeyCard:
        """The card of a key that was just stored.

        Args:
            store: Name of the store.
            origin: From :func:`nimbus_sdk.settings.origin`.
            now: Unix time.

        Example:
            >>> from nimbus_sdk.keys import ApiKey
            >>> key = ApiKey.parse("nbci_test_" + "0123456789ab" * 4)
            >>> KeyCard.of(key, store="file", origin=DEFAULT_ORIGIN, now=0.0).saved_at
            '1970-01-01T00:00:00Z'
        """
        return cls(
            fingerprint=key.fingerprint,
            masked=key.masked,
            store=store,
            origin=origin,
            saved_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        )


def read_card(places: Places) -> KeyCard | None:
    """The profile's card; None where there is none, or none that can be made sense of.

    Without a card a key goes to the default API alone, so a damaged one opens nothing.

    Raises:
        CredentialStoreError: It is there and cannot be read.
    """
    try:
        content = files.read(places.key_card)
    except OSError as error:
        raise CredentialStoreError(
            f"The note of the stored key, {places.key_card}, cannot be read: {error.strerror or error}."
        ) from error
    try:
        found = json.loads(content or b"null")
        values = {field.name: found[field.name] for field in fields(KeyCard)}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not all(isinstance(value, str) and value.isprintable() for value in values.values()):
        return None
    return KeyCard(**values)


def write_card(places: Places, card: KeyCard) -> None:
    """Note what was stored, in place of the card that was there.

    Raises:
        OSError: The disk refused.
    """
    disk.write_private(places.key_card, json.dumps(asdict(card), indent=2).encode() + b"\n")
