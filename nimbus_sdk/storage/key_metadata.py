"""What may be known of a stored key without reading it: for display, and to ask the right store first.

It decides nothing about where a key may go; that is stored with the key itself.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from nimbus_sdk.config.ownership import UntrustedError
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import fs, trust

if TYPE_CHECKING:
    from nimbus_sdk.storage.key_kind import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMetadata:
    """A stored key without its secret.

    Attributes:
        fingerprint: First 12 hexadecimal digits of the key's SHA-256.
        masked: The form of the key that may be displayed.
        store: ``keyring`` or ``file``.
        saved_at: UTC, such as ``2026-01-31T09:00:00Z``.
    """

    fingerprint: str
    masked: str
    store: str
    saved_at: str

    @classmethod
    def of(cls, key: Key, *, store: str, now: float) -> KeyMetadata:
        """Return the metadata of a key that was just stored.

        Args:
            store: Name of the store.
            now: Unix time.

        Examples:
            >>> from nimbus_sdk.config.keys import ApiKey
            >>> key = ApiKey.parse("nbci_test_" + "0123456789ab" * 4)
            >>> KeyMetadata.of(key, store="file", now=0.0).saved_at
            '1970-01-01T00:00:00Z'
        """
        return cls(
            fingerprint=key.fingerprint,
            masked=key.masked,
            store=store,
            saved_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        )


def read_metadata(paths: Paths) -> KeyMetadata | None:
    """Return the metadata of the profile's key, or None if there is none that can be understood and trusted.

    Raises:
        CredentialStoreError: The file exists and cannot be read.
    """
    try:
        content = trust.read(paths.key_metadata, paths.state_root)
    except UntrustedError:
        return None
    except OSError as error:
        raise CredentialStoreError(
            f"The metadata of the stored key, {paths.key_metadata}, cannot be read: "
            f"{error.strerror or error}."
        ) from error
    try:
        stored = json.loads(content or b"null")
        values = {field.name: stored[field.name] for field in fields(KeyMetadata)}
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    valid = all(isinstance(value, str) and value.isprintable() for value in values.values())
    return KeyMetadata(**values) if valid else None


def reserve_metadata(paths: Paths) -> None:
    """Make an empty file before the first key is stored: where there is no file, there is no key.

    A disk that refuses is reported by ``write_metadata``.
    """
    if not os.path.exists(paths.key_metadata):
        with suppress(OSError):
            fs.write_private(paths.key_metadata, b"{}\n")


def write_metadata(paths: Paths, metadata: KeyMetadata) -> None:
    """Write the metadata of a key that was stored.

    Raises:
        OSError: The disk refused.
    """
    fs.write_private(paths.key_metadata, json.dumps(asdict(metadata), indent=2).encode() + b"\n")


def remove_metadata(paths: Paths) -> None:
    """Remove the metadata of a key that is gone.

    Raises:
        CredentialStoreError: The file exists and cannot be removed.
    """
    try:
        fs.remove(paths.key_metadata)
    except OSError as error:
        raise CredentialStoreError(
            f"The metadata of the stored key, {paths.key_metadata}, cannot be removed: "
            f"{error.strerror or error}."
        ) from error
