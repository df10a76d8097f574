"""Everything that this machine has stored for its accounts and services: list it, and remove it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nimbus_sdk.account.session_lookup import clear_cache
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CredentialStoreError, SessionError
from nimbus_sdk.storage import fs, sealed
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_metadata import KeyRemoval, read_metadata, read_removal
from nimbus_sdk.storage.key_removal import Removal, remove_key


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What is stored under one name: that of a profile, or of a service's key such as ``default@neuroai``.

    Attributes:
        name: The name.
        key_masked: The stored key, as far as it is known without reading it, or None.
        store: The credential store that has it, or None.
        has_session: Whether there is a session.
        to_remove: A key that is still to be removed from the keyring, or None.
    """

    name: str
    key_masked: str | None
    store: str | None
    has_session: bool
    to_remove: KeyRemoval | None = None

    def __str__(self) -> str:
        parts = []
        if self.key_masked is not None:
            parts.append(f"key {self.key_masked} ({self.store})")
        if self.to_remove is not None:
            parts.append(f"still to be removed: {self.to_remove}")
        if self.has_session:
            parts.append("session")
        return f"{self.name}: {', '.join(parts) or 'other files'}"


def find_entries(settings: Settings) -> tuple[StoredEntry, ...]:
    """Return all profiles and services that have something on this machine, by name."""
    in_file = set(FileStore(settings.paths.credentials).names())
    names = sorted({*_names(settings.paths.profiles), *in_file})
    return tuple(_describe(replace(settings, profile=name), name in in_file) for name in names)


def has_session(paths: Paths) -> bool:
    """Return whether a profile has a session, of its own or of a key from a ``.env``."""
    own = any(map(os.path.exists, (paths.session, paths.next_session)))
    return own or bool(sealed.dotenv_fingerprints(paths))


def remove_entries(settings: Settings) -> Removal:
    """Remove the keys and sessions of all profiles and services, with every other file of theirs.

    A key that a store does not remove stays recorded for the next attempt; all others are removed.

    Raises:
        SessionError: A session cannot be removed; all that can be is.
        CredentialStoreError: Nor can a key.
    """
    names = {settings.profile, *(entry.name for entry in find_entries(settings))}
    owners = [replace(settings, profile=name) for name in sorted(names)]
    # A keyring may refuse. By then, everything else is done.
    left: SessionError | None = None
    for owner in owners:
        try:
            sealed.remove_all_sessions(owner.paths)
        except SessionError as error:
            left = error
    clear_cache()
    removed, not_asked, refusals = False, "", {}
    for owner in owners:
        removal = remove_key(owner)
        removed, not_asked = removed or removal.removed, not_asked or removal.not_asked
        if removal.refusal is None:
            _remove_rest(owner.paths)
        else:
            refusals[owner.profile] = removal.refusal
    refusal = _join_refusals(refusals)
    if left is not None:
        # A key that is left matters more, and the next attempt says again what else is.
        raise refusal or left
    return Removal(removed, refusal, not_asked if refusal is None else "")


def _join_refusals(refusals: Mapping[str, CredentialStoreError]) -> CredentialStoreError | None:
    if not refusals:
        return None
    each = " ".join(f"{name}: {refusal.message}" for name, refusal in refusals.items())
    hints = dict.fromkeys(refusal.hint for refusal in refusals.values())
    return CredentialStoreError(f"Not every key could be removed. {each}", hint=" ".join(hints))


def _describe(owner: Settings, is_in_file: bool) -> StoredEntry:
    masked, store = ("…", FileStore.name) if is_in_file else (None, None)
    metadata, removal = read_metadata(owner.paths), read_removal(owner.paths)
    if metadata is not None:
        masked, store = metadata.masked, metadata.store
    return StoredEntry(owner.profile, masked, store, has_session(owner.paths), removal)


def _remove_rest(paths: Paths) -> None:
    """Remove the folder of a profile without a key, and damaged files with keys that were set aside."""
    try:
        fs.remove_tree(paths.profile_folder)
        for path in fs.quarantined_files(paths.credentials):
            fs.remove(path)
    except OSError as error:
        raise SessionError(
            f"Not everything in {paths.profile_folder} could be removed ({error.strerror or error}).",
            hint="Check the permissions of the folder, then run it again.",
        ) from None


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        # Signing out of everything must not pass over what it cannot see.
        raise SessionError(
            f"The profiles in {folder} cannot be listed ({error.strerror or error}).",
            hint="Check the permissions of the folder, then run it again.",
        ) from None
