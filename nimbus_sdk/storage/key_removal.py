"""Removing a stored key from every store.

What a keyring cannot be asked for is recorded, and removed as soon as it can be asked.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import key_metadata
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, Key, KeyKind
from nimbus_sdk.storage.key_metadata import KeyMetadata, KeyRemoval
from nimbus_sdk.storage.keyring_backend import KeyringStore
from nimbus_sdk.storage.lock import Lock

_LOCK_SECONDS = 5.0
_log = logging.getLogger("nimbus_sdk")

Store = TypeVar("Store")


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of a key that was to be removed.

    Attributes:
        removed: Whether a key was removed.
        refusal: What a store that has the key, or may have it, did not do; None if nothing of it is left.
        not_asked: Why a keyring was not asked in which this home has stored no key; empty if it was.
    """

    removed: bool
    refusal: CredentialStoreError | None = None
    not_asked: str = ""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one store did: it removed the key, has another one, or refused."""

    removed: bool = False
    another: bool = False
    error: CredentialStoreError | None = None


def delete_key(settings: Settings, fingerprint: str | None = None, kind: KeyKind[Key] = NIMBUS_BCI) -> bool:
    """Remove a key as ``remove_key`` does, raise its refusal, and return whether there was a key."""
    removal = remove_key(settings, fingerprint, kind)
    if removal.refusal is not None:
        raise removal.refusal
    return removal.removed


def remove_key(
    settings: Settings, fingerprint: str | None = None, kind: KeyKind[Key] = NIMBUS_BCI
) -> Removal:
    """Remove the stored key and its metadata from every store, as far as possible.

    Args:
        fingerprint: Only if the stored key is the one with this fingerprint.
        kind: Whose key it is.
    """
    paths, keyring = settings.paths, KeyringStore(settings.paths, kind)
    metadata, may_have = key_metadata.read_metadata(paths), key_metadata.may_be_in_keyring(paths)
    in_file = _attempt(paths, FileStore(paths.credentials, kind), fingerprint)
    in_keyring = _Attempt()
    if may_have or settings.credential_store in (None, KeyringStore.name):
        in_keyring = _attempt(paths, keyring, fingerprint)
    removed = in_file.removed or in_keyring.removed
    refusal, not_asked = in_file.error, ""
    # A key that stays keeps its metadata, unless there is a record of its removal instead.
    keeps_metadata = in_file.error is not None or in_file.another or in_keyring.another
    if in_keyring.error is not None:
        must_ask = may_have or settings.credential_store == KeyringStore.name
        if must_ask and not cannot_have_key(paths, metadata, keyring):
            postponed, is_noted = _postpone(paths, metadata, fingerprint, in_keyring.error)
            refusal, keeps_metadata = refusal or postponed, keeps_metadata or not is_noted
        elif keyring.refusal is None or not keyring.refusal.is_absent:
            not_asked = in_keyring.error.message
    of_another = metadata is not None and fingerprint not in (None, metadata.fingerprint)
    if not keeps_metadata and (removed or not of_another):
        key_metadata.remove_metadata(paths)
    return Removal(removed, refusal, not_asked)


def _attempt(paths: Paths, store: FileStore[Key] | KeyringStore[Key], fingerprint: str | None) -> _Attempt:
    try:
        if fingerprint is not None:
            entry = prepare_store(paths, store).read(paths.profile)
            if entry is None or entry.key.fingerprint != fingerprint:
                return _Attempt(another=entry is not None)
        removed = store.delete(paths.profile)
        if isinstance(store, KeyringStore):
            key_metadata.clear_removal(paths)
            finish_removals(paths)
    except CredentialStoreError as error:
        return _Attempt(error=error)
    return _Attempt(removed)


def _postpone(
    paths: Paths, metadata: KeyMetadata | None, fingerprint: str | None, refusal: CredentialStoreError
) -> tuple[CredentialStoreError, bool]:
    """Record what the keyring could not be asked for; return the error, and whether it is recorded."""
    reason, masked = reason_of(refusal), masked_in_keyring(metadata)
    try:
        removal = postpone_removal(paths, reason, masked=masked, fingerprint=fingerprint or "")
    except OSError as fault:
        error = CredentialStoreError(
            f"A key may still be in the keyring, which {reason}, and that cannot be noted "
            f"({fault.strerror or fault}).",
            hint="Remove it with your system's password manager: service nimbus-sdk, "
            f"user {paths.keyring_user}.",
        )
        return error, False
    error = CredentialStoreError(
        f"{removal.masked or 'A key'} may still be in the keyring, which {reason}.",
        hint="It is not used any more, and is removed as soon as the keyring can be asked: unlock it, then "
        "run `nimbus-sdk doctor --retry-keyring`.",
    )
    return error, True


def postpone_removal(paths: Paths, reason: str, *, masked: str = "", fingerprint: str = "") -> KeyRemoval:
    """Record that a key is to be removed from the keyring as soon as that can be asked."""
    before = key_metadata.read_removal(paths)
    if before is not None:
        # What is to be removed already stays so, whichever it is.
        known = (masked, before.masked) if before.fingerprint else (before.masked, masked)
        masked, fingerprint = known[0] or known[1], before.fingerprint and fingerprint
    removal = KeyRemoval(masked=masked, fingerprint=fingerprint, reason=reason)
    key_metadata.write_record(paths.key_removal, removal)
    return removal


def prepare_store(paths: Paths, store: Store) -> Store:
    """Return a store, after removing from it what was still to be removed."""
    if isinstance(store, KeyringStore):
        _finish_removal(paths, store)
    return store


def finish_removals(paths: Paths) -> None:
    """Remove what was still to be removed for any profile or service of this home, as the keyring answers."""
    for owner in _owners(paths):
        try:
            _finish_removal(owner, KeyringStore(owner))
        except CredentialStoreError as error:
            _log.debug("The removal of %s stays recorded: %s", owner.profile, error)


def pending_removals(paths: Paths) -> dict[str, KeyRemoval]:
    """Return what is still to be removed from the keyring, by the profile or service of this home."""
    found = {owner.profile: key_metadata.read_removal(owner) for owner in _owners(paths)}
    return {name: removal for name, removal in found.items() if removal is not None}


def _finish_removal(paths: Paths, store: KeyringStore[Key]) -> None:
    if key_metadata.read_removal(paths) is None:
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
        removal = key_metadata.read_removal(paths)
        if removal is None:
            # Another process was faster, and a new key may be there by now.
            return
        entry = store.read(paths.profile) if removal.fingerprint else None
        if entry is None or entry.key.fingerprint == removal.fingerprint:
            store.delete(paths.profile)
        key_metadata.clear_removal(paths)


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
    """Return whether a keyring that refused cannot have a key: none is here, and no save is known."""
    is_known = metadata is not None or key_metadata.read_removal(paths) is not None
    return store.refusal is not None and store.refusal.is_absent and not is_known


def reason_of(error: CredentialStoreError) -> str:
    """Return the message of a keyring's refusal as the end of a sentence that begins with "the keyring"."""
    return error.message.removeprefix("The keyring ").rstrip(".")
