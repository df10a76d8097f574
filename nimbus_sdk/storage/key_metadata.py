"""What is known of a stored key without reading it: for display, and to ask the right store first.

It decides nothing about where a key may go; that is stored with the key itself. A file that exists and cannot
be read or removed is a ``CredentialStoreError``; one that cannot be written is an ``OSError``.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk.config.ownership import UntrustedError
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import fs, trust

if TYPE_CHECKING:
    from nimbus_sdk.storage.key_kind import Key

R = TypeVar("R", "KeyMetadata", "KeyRemoval")

_METADATA = "The metadata of the stored key"
_REMOVAL = "The record of a key to remove"
_CHECK_FOLDER = "Check the permissions of its folder, or set NIMBUS_SDK_HOME to another one."


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
    def of(cls, key: Key, store: str) -> KeyMetadata:
        """Return the metadata of a key that was just stored."""
        saved_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return cls(fingerprint=key.fingerprint, masked=key.masked, store=store, saved_at=saved_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRemoval:
    """A key that is still to be removed from the keyring, which could not be asked.

    Attributes:
        masked: The key, as far as it is known; empty if it is not.
        fingerprint: That of the only key to remove; empty for whichever is there.
        reason: Why the keyring could not be asked, as the end of a sentence that begins with "the keyring".
    """

    masked: str = ""
    fingerprint: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.masked or 'a key'} in the keyring, which {self.reason or 'could not be asked'}"


def read_metadata(paths: Paths) -> KeyMetadata | None:
    """Return the metadata of the profile's key; None if there are none that can be understood and trusted."""
    content = _read(paths, paths.key_metadata, _METADATA)
    return None if content is None else _parse(KeyMetadata, content)


def read_removal(paths: Paths) -> KeyRemoval | None:
    """Return the record that a key is still to be removed from the keyring, or None.

    A damaged record counts: it never makes a removed key valid again. One that somebody else could have
    written does not: it would remove a key.
    """
    content = _read(paths, paths.key_removal, _REMOVAL)
    return None if content is None else _parse(KeyRemoval, content) or KeyRemoval()


def may_be_in_keyring(paths: Paths) -> bool:
    """Return whether this home may have a key in the keyring: of a save, or of one that was interrupted."""
    if read_removal(paths) is not None:
        return True
    metadata = read_metadata(paths)
    return os.path.exists(paths.key_metadata) if metadata is None else metadata.store == "keyring"


def has_key_in_keyring(paths: Paths) -> bool:
    """Return whether the profile's key is one in the keyring that is not to be removed."""
    metadata = read_metadata(paths)
    return metadata is not None and metadata.store == "keyring" and read_removal(paths) is None


def reserve_metadata(paths: Paths) -> None:
    """Make an empty file before the first key is stored: where there is no file, there is no key."""
    if not os.path.exists(paths.key_metadata):
        # A disk that refuses is reported when the metadata are written.
        with suppress(OSError):
            fs.write_private(paths.key_metadata, b"{}\n")


def write_record(path: str, record: KeyMetadata | KeyRemoval) -> None:
    """Write the metadata of a key that was stored, or that one is still to be removed."""
    fs.write_private(path, json.dumps(asdict(record), indent=2).encode() + b"\n")


def remove_metadata(paths: Paths) -> None:
    """Remove the metadata of a key that is gone."""
    _remove(paths.key_metadata, _METADATA, _CHECK_FOLDER)


def clear_removal(paths: Paths) -> None:
    """Note that the keyring has no key of the profile any more that is to be removed."""
    if read_removal(paths) is not None:
        _remove(paths.key_removal, _REMOVAL, "Check the permissions of its folder.")


def _read(paths: Paths, path: str, what: str) -> bytes | None:
    """Return the content of a file, or None if there is none that can be trusted."""
    try:
        return trust.read(path, paths.state_root)
    except UntrustedError:
        return None
    except OSError as error:
        raise CredentialStoreError(
            f"{what}, {path}, cannot be read: {error.strerror or error}.", hint=_CHECK_FOLDER
        ) from error


def _parse(kind: type[R], content: bytes) -> R | None:
    try:
        stored = json.loads(content)
        values = {field.name: stored[field.name] for field in fields(kind)}
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    valid = all(isinstance(value, str) and value.isprintable() for value in values.values())
    return kind(**values) if valid else None


def _remove(path: str, what: str, hint: str) -> None:
    try:
        fs.remove(path)
    except OSError as error:
        raise CredentialStoreError(
            f"{what}, {path}, cannot be removed: {error.strerror or error}.", hint=hint
        ) from error
