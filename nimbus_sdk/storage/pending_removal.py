"""Keys to remove from a keyring that could not be asked: recorded, and removed as soon as it can be asked."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage.key_metadata import (
    KeyMetadata,
    KeyRemoval,
    drop_removal,
    read_removal,
    write_removal,
)
from nimbus_sdk.storage.keyring_backend import KeyringStore
from nimbus_sdk.storage.lock import Lock

if TYPE_CHECKING:
    from nimbus_sdk.storage.key_kind import Key

_LOCK_SECONDS = 5.0
_log = logging.getLogger("nimbus_sdk")

Store = TypeVar("Store")


def prepare_store(paths: Paths, store: Store) -> Store:
    """Return a store, after removing from it what was still to be removed.

    Raises:
        CredentialStoreError: As for ``finish_removal``.
    """
    if isinstance(store, KeyringStore):
        finish_removal(paths, store)
    return store


def finish_removal(paths: Paths, store: KeyringStore[Key]) -> None:
    """Remove what was to be removed from the keyring, if anything was, before it is used for the profile.

    Args:
        paths: Those of the profile.
        store: The keyring.

    Raises:
        CredentialStoreError: The keyring still cannot be asked, or the disk refused.
    """
    if read_removal(paths) is None:
        return
    with Lock(f"{paths.key_removal}.lock") as lock:
        try:
            lock.acquire(_LOCK_SECONDS)
        except TimeoutError:
            raise CredentialStoreError(
                "Another process is removing an older key from the keyring.",
                hint="Run it again when that one is done.",
            ) from None
        except OSError as error:
            _log.debug("No lock at %s (%s); continuing without it.", lock.path, error)
        removal = read_removal(paths)
        if removal is None:
            # Another process was faster, and a new key may be there by now.
            return
        entry = store.read(paths.profile) if removal.fingerprint else None
        if entry is None or entry.key.fingerprint == removal.fingerprint:
            store.delete(paths.profile)
        drop_removal(paths)


def finish_removals(paths: Paths) -> None:
    """Do the same for every profile and service of this home; called when the keyring has just answered."""
    for owner in _owners(paths):
        try:
            finish_removal(owner, KeyringStore(owner))
        except CredentialStoreError as error:
            _log.debug("The removal of %s stays recorded: %s", owner.profile, error)


def pending_removals(paths: Paths) -> dict[str, KeyRemoval]:
    """Return what is still to be removed from the keyring, by the profile or service of this home.

    Raises:
        CredentialStoreError: A record cannot be read.
    """
    found = {owner.profile: read_removal(owner) for owner in _owners(paths)}
    return {name: removal for name, removal in found.items() if removal is not None}


def postpone_removal(paths: Paths, reason: str, *, masked: str = "", fingerprint: str = "") -> KeyRemoval:
    """Record that a key is to be removed from the keyring as soon as that can be asked.

    Args:
        paths: Those of the profile.
        reason: Why it cannot be asked now, as the end of a sentence that begins with "the keyring".
        masked: The key, as far as it is known.
        fingerprint: That of the only key to remove; whichever is there if empty.

    Raises:
        CredentialStoreError: An earlier record cannot be read.
        OSError: A file cannot be read or written.
    """
    before = read_removal(paths)
    if before is not None:
        # What is to be removed already stays so, whichever it is.
        known = (masked, before.masked) if before.fingerprint else (before.masked, masked)
        masked, fingerprint = known[0] or known[1], before.fingerprint and fingerprint
    removal = KeyRemoval(masked=masked, fingerprint=fingerprint, reason=reason)
    write_removal(paths, removal)
    return removal


def settle_removal(paths: Paths) -> None:
    """Note that the keyring has no key of the profile any more that is to be removed.

    Raises:
        CredentialStoreError: A file cannot be read or written.
    """
    if read_removal(paths) is not None:
        drop_removal(paths)


def _owners(paths: Paths) -> Iterator[Paths]:
    try:
        names = sorted(os.listdir(paths.profiles))
    except FileNotFoundError:
        return
    except OSError as error:
        _log.debug("Whether keys are still to be removed is not known: %s", error)
        return
    for name in names:
        owner = replace(paths, profile=name)
        if os.path.exists(owner.key_removal):
            yield owner


def masked_in_keyring(metadata: KeyMetadata | None) -> str:
    """Return the key that the keyring has, masked; empty if it is not known to have one."""
    return metadata.masked if metadata is not None and metadata.store == KeyringStore.name else ""


def cannot_have_key(paths: Paths, metadata: KeyMetadata | None, store: KeyringStore[Key]) -> bool:
    """Return whether a keyring that refused cannot have a key: this machine has none, and no save was known.

    Args:
        paths: Those of the profile.
        metadata: That of the profile's key; None as well if its first save was interrupted.
        store: The keyring, after it has refused.
    """
    is_known = metadata is not None or read_removal(paths) is not None
    return store.refusal is not None and store.refusal.is_absent and not is_known


def reason_of(error: CredentialStoreError) -> str:
    """Return the message of a keyring's refusal as the end of a sentence that begins with "the keyring"."""
    return error.message.removeprefix("The keyring ").rstrip(".")
