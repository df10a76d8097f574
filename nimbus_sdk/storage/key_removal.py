"""Removing a stored key from every store, and what becomes of one that a store does not let go."""

from __future__ import annotations

from dataclasses import dataclass

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, Key, KeyKind
from nimbus_sdk.storage.key_metadata import (
    KeyMetadata,
    may_be_in_keyring,
    read_metadata,
    remove_metadata,
)
from nimbus_sdk.storage.keyring_backend import KeyringStore
from nimbus_sdk.storage.pending_removal import (
    cannot_have_key,
    finish_removals,
    masked_in_keyring,
    postpone_removal,
    prepare_store,
    reason_of,
    settle_removal,
)


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
    """Remove the stored key and its metadata.

    Args:
        fingerprint: Only if the stored key is the one with this fingerprint.
        kind: Whose key it is; the Nimbus API's if omitted.

    Returns:
        Whether a key was removed.

    Raises:
        CredentialStoreError: A store that has the key, or may have it, does not remove it. What the keyring
            could not be asked for is removed when it can be asked.
    """
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
        kind: Whose key it is; the Nimbus API's if omitted.

    Raises:
        CredentialStoreError: The metadata cannot be read or removed.
    """
    paths, keyring = settings.paths, KeyringStore(settings.paths, kind)
    metadata, may_have = read_metadata(paths), may_be_in_keyring(paths)
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
        remove_metadata(paths)
    return Removal(removed, refusal, not_asked)


def _attempt(paths: Paths, store: FileStore[Key] | KeyringStore[Key], fingerprint: str | None) -> _Attempt:
    try:
        if fingerprint is not None:
            entry = prepare_store(paths, store).read(paths.profile)
            if entry is None or entry.key.fingerprint != fingerprint:
                return _Attempt(another=entry is not None)
        removed = store.delete(paths.profile)
        if isinstance(store, KeyringStore):
            settle_removal(paths)
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
