"""The note beside a stored key: what may be known of it without reading it.

It says for which API the key was found valid. A stored key goes to that API alone, so that a ``.env`` in
a cloned repository cannot have it sent elsewhere by naming another ``NIMBUS_SDK_API_URL``.

A key is announced here before it is stored, beside the one that is there: whoever is killed in between
leaves either key, and both are noted. What was announced goes once the key is in its place.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, TypeGuard

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import fs

if TYPE_CHECKING:
    from nimbus_sdk.storage.key_kind import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMetadata:
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
    def of(cls, key: Key, *, store: str, origin: str, now: float) -> KeyMetadata:
        """The card of a key that was just stored.

        Args:
            store: Name of the store.
            origin: From :func:`nimbus_sdk.config.settings.origin`.
            now: Unix time.

        Example:
            >>> from nimbus_sdk.config.keys import ApiKey
            >>> key = ApiKey.parse("nbci_test_" + "0123456789ab" * 4)
            >>> from nimbus_sdk.config.settings import DEFAULT_ORIGIN
            >>> KeyMetadata.of(key, store="file", origin=DEFAULT_ORIGIN, now=0.0).saved_at
            '1970-01-01T00:00:00Z'
        """
        return cls(
            fingerprint=key.fingerprint,
            masked=key.masked,
            store=store,
            origin=origin,
            saved_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNotes:
    """All that is noted beside a profile's key.

    Attributes:
        card: What was stored last, or None.
        announced: Fingerprints of keys that were about to be stored then, and for which origin each is.
    """

    card: KeyMetadata | None
    announced: Mapping[str, str]

    def origin_of(self, key: Key) -> str | None:
        """Where a key may go, or None where nothing is noted of it.

        Example:
            >>> from nimbus_sdk.config.keys import ApiKey
            >>> key = ApiKey.parse("nbci_test_" + "0123456789ab" * 4)
            >>> from nimbus_sdk.config.settings import DEFAULT_ORIGIN
            >>> KeyNotes(card=None, announced={key.fingerprint: DEFAULT_ORIGIN}).origin_of(key)
            'https://api.nimbusbci.com:443'
        """
        # A note counts only for the key it names: NIMBUS_SDK_HOME may lead to one that somebody else wrote.
        if self.card is not None and self.card.fingerprint == key.fingerprint:
            return self.card.origin
        return self.announced.get(key.fingerprint)

    def speaks_of_none_but(self, fingerprint: str) -> bool:
        """Whether no other key is noted."""
        noted = {*self.announced, *(() if self.card is None else (self.card.fingerprint,))}
        return noted <= {fingerprint}


def read_notes(paths: Paths) -> KeyNotes:
    """What is noted beside the profile's key; what makes no sense is left out.

    Without a note a key goes to the default API alone, so a damaged one opens nothing.

    Raises:
        CredentialStoreError: It is there and cannot be read.
    """
    try:
        content = fs.read(paths.key_card)
    except OSError as error:
        raise CredentialStoreError(
            f"The note of the stored key, {paths.key_card}, cannot be read: {error.strerror or error}."
        ) from error
    try:
        found = json.loads(content or b"null")
    except (ValueError, RecursionError):
        found = None
    told = found if isinstance(found, dict) else {}
    return KeyNotes(card=_card(told), announced=_announced(told))


def read_metadata(paths: Paths) -> KeyMetadata | None:
    """The profile's card; None where there is none, or none that can be made sense of.

    Raises:
        CredentialStoreError: It is there and cannot be read.
    """
    return read_notes(paths).card


def announce(paths: Paths, key: Key, origin: str, *, otherwise: str) -> None:
    """Note where a key may go that is about to be stored; what is noted of others stays.

    Args:
        otherwise: Where the key goes if nothing is noted of it.

    Raises:
        CredentialStoreError: It cannot be noted, and would be taken for a key of another service.
    """
    noted = read_notes(paths)
    if noted.origin_of(key) == origin:
        return
    try:
        _write(paths, noted.card, {**noted.announced, key.fingerprint: origin})
    except OSError as error:
        if origin != otherwise:
            raise CredentialStoreError(
                f"The note of the key, {paths.key_card}, cannot be written: {error.strerror or error}.",
                hint="The key was not stored: check free space and permissions, then save it again.",
            ) from error


def write_metadata(paths: Paths, card: KeyMetadata) -> None:
    """Note what was stored, in place of the card that was there.

    What another process has announced meanwhile stays.

    Raises:
        CredentialStoreError: What is there cannot be read.
        OSError: The disk refused.
    """
    announced = read_notes(paths).announced
    _write(paths, card, {name: announced[name] for name in announced if name != card.fingerprint})


def remove_metadata(paths: Paths) -> None:
    """Remove all that is noted of a key that is gone.

    Raises:
        CredentialStoreError: It is there and cannot be removed.
    """
    try:
        fs.remove(paths.key_card)
    except OSError as error:
        raise CredentialStoreError(
            f"The note of the stored key, {paths.key_card}, cannot be removed: {error.strerror or error}."
        ) from error


def _write(paths: Paths, card: KeyMetadata | None, announced: Mapping[str, str]) -> None:
    told: dict[str, object] = {} if card is None else asdict(card)
    if announced:
        told["announced"] = dict(announced)
    fs.write_private(paths.key_card, json.dumps(told, indent=2).encode() + b"\n")


def _card(told: Mapping[str, object]) -> KeyMetadata | None:
    values = {field.name: told.get(field.name) for field in fields(KeyMetadata)}
    texts = {name: value for name, value in values.items() if _is_text(value)}
    return KeyMetadata(**texts) if len(texts) == len(values) else None


def _announced(told: Mapping[str, object]) -> dict[str, str]:
    found = told.get("announced")
    if not isinstance(found, dict):
        return {}
    return {name: origin for name, origin in found.items() if _is_text(origin)}


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable()
