"""The credential store: three stores with the same methods, and which of them is used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, overload

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings, origin
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import key_metadata, key_removal
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, K_co, Key, KeyEntry, KeyKind
from nimbus_sdk.storage.key_metadata import KeyMetadata
from nimbus_sdk.storage.keyring_backend import KeyringStore
from nimbus_sdk.storage.keyring_breaker import reset

_log = logging.getLogger("nimbus_sdk")


class MemoryStore:
    """Stores keys as long as the object lives, and nothing beyond it (``none``)."""

    name = "none"

    def __init__(self) -> None:
        self._entries: dict[str, KeyEntry[Key]] = {}

    def location(self, profile: str) -> str:
        """Describe where the key of a profile is."""
        return f"memory only, profile {profile}"

    def read(self, profile: str) -> KeyEntry[Key] | None:
        """Return the profile's key, or None."""
        return self._entries.get(profile)

    def write(self, profile: str, entry: KeyEntry[Key]) -> None:
        """Store a key, replacing the one before."""
        self._entries[profile] = entry

    def delete(self, profile: str) -> bool:
        """Remove a key, and return whether there was one."""
        return self._entries.pop(profile, None) is not None


CredentialStore: TypeAlias = KeyringStore[Key] | FileStore[Key] | MemoryStore


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """The store in use, and the reason for it, as text.

    Attributes:
        store: The store.
        reason: Why it is that one, and what else of the key is where.
        keyring_problem: Why the keyring is not used that this machine has, as the end of a sentence that
            begins with "the keyring"; empty if it is used, is not there or was not to be asked.
    """

    store: CredentialStore
    reason: str
    keyring_problem: str = ""


@dataclass(frozen=True, slots=True)
class StoredKey(Generic[K_co]):
    """What the credential store has for a profile.

    Attributes:
        key: The key, or None.
        store: Name of the store that has it, or was asked first.
        location: Where that is, as text.
        origin: The one API origin that the key may be sent to; empty if none is known.
        problem: Why another store, which might have a key too, could not be asked; empty if there is none.
    """

    key: K_co | None
    store: str
    location: str
    origin: str = DEFAULT_ORIGIN
    problem: str = ""

    def withheld_from(self, api_url: str) -> str | None:
        """Return why the key may not be used for an API, or None if it may."""
        requested = origin(api_url)
        if requested == self.origin:
            return None
        return f"it is for {self.origin or 'a service that is not known'}, not for {requested}"


def choose_store(settings: Settings) -> StoreChoice:
    """Return the store that these settings lead to; a keyring is asked once, to see whether it answers.

    Raises:
        CredentialStoreError: The setting names the keyring, and it does not work.
    """
    return _in_first_that_works(settings, NIMBUS_BCI, lambda store: store.read(settings.paths.profile))


def save_key(settings: Settings, key: Key, origin: str, kind: KeyKind[Key] = NIMBUS_BCI) -> StoreChoice:
    """Store a key that an API has just accepted, together with that API's origin, in one place.

    Raises:
        CredentialStoreError: The store that the setting names, or the last one tried, cannot store it.
    """
    paths, entry = settings.paths, KeyEntry(key, origin)
    before, may_have = key_metadata.read_metadata(paths), key_metadata.may_be_in_keyring(paths)

    def write(store: CredentialStore) -> None:
        try:
            store.write(paths.profile, entry)
        except CredentialStoreError:
            if before is None or before.fingerprint != key.fingerprint:
                _expect_late_write(paths, store, key)
            raise

    if settings.credential_store == MemoryStore.name:
        return _in_first_that_works(settings, kind, write)
    key_metadata.reserve_metadata(paths)
    choice = _in_first_that_works(settings, kind, write)
    notes = [choice.reason, *_remove_other_copy(settings, choice, before, may_have=may_have)]
    try:
        key_metadata.write_record(paths.key_metadata, KeyMetadata.of(key, choice.store.name))
    except OSError as error:
        notes.append(f"the metadata beside it could not be written ({error.strerror or error})")
    if choice.keyring_problem:
        retry = "nimbus-sdk doctor --retry-keyring" if kind is NIMBUS_BCI else kind.save_command
        sentence = "%s is stored in %s, because the keyring %s. `%s` moves it there."
        location = choice.store.location(paths.profile)
        _log.warning(sentence, key.masked, location, choice.keyring_problem, retry)
    return replace(choice, reason="; ".join(notes))


def retry_keyring(settings: Settings) -> StoreChoice:
    """Ask a keyring that is skipped, remove what was to be removed from it, and move the key there.

    Raises:
        CredentialStoreError: The setting names the keyring, and it does not work; or the file cannot be read.
    """
    reset(settings.paths.keyring_breaker)
    choice = choose_store(settings)
    if choice.store.name != KeyringStore.name:
        key_removal.finish_removals(settings.paths)
        return choice
    in_file = FileStore[ApiKey](settings.paths.credentials).read(settings.paths.profile)
    metadata = key_metadata.read_metadata(settings.paths)
    if in_file is None or metadata is None or metadata.store != FileStore.name:
        return choice
    return save_key(settings, in_file.key, in_file.origin)


@overload
def read_stored_key(settings: Settings) -> StoredKey[ApiKey]: ...
@overload
def read_stored_key(
    settings: Settings, kind: KeyKind[K_co], patience: float | None = None
) -> StoredKey[K_co]: ...
def read_stored_key(
    settings: Settings, kind: KeyKind[Key] = NIMBUS_BCI, patience: float | None = None
) -> StoredKey[Key]:
    """Return what is stored for the profile; the store that the metadata names is asked first.

    The key may be used for ``StoredKey.origin`` alone.

    Raises:
        CredentialStoreError: The store that should have the key cannot be read. A keyring that no metadata
            names and that does not answer is only reported in ``problem``.
    """
    stores, required = _stores_to_search(settings, kind, key_metadata.read_metadata(settings.paths), patience)
    problem = ""
    for store in stores:
        try:
            entry = key_removal.prepare_store(settings.paths, store).read(settings.paths.profile)
        except CredentialStoreError as error:
            if store.name in required:
                raise
            problem = error.message
            continue
        if isinstance(store, KeyringStore):
            key_removal.finish_removals(settings.paths)
        if entry is not None:
            location = store.location(settings.paths.profile)
            return StoredKey(entry.key, store.name, location, entry.origin, problem)
    searched = " or ".join(store.location(settings.paths.profile) for store in stores)
    return StoredKey(None, stores[0].name, searched, problem=problem)


def withdraw_key(settings: Settings, fingerprint: str, before: KeyMetadata) -> None:
    """Take back that a key was stored in the file in place of one in the keyring; restore its metadata."""
    paths = settings.paths
    file = FileStore[ApiKey](paths.credentials)
    entry = file.read(paths.profile)
    if entry is None or entry.key.fingerprint != fingerprint:
        return
    file.delete(paths.profile)
    key_metadata.clear_removal(paths)
    try:
        key_metadata.write_record(paths.key_metadata, before)
    except OSError as error:
        raise CredentialStoreError(
            f"{paths.key_metadata} cannot be written: {error.strerror}.",
            hint="Check free space and permissions.",
        ) from error


def _in_first_that_works(
    settings: Settings, kind: KeyKind[Key], act: Callable[[CredentialStore], object]
) -> StoreChoice:
    paths = settings.paths
    if settings.credential_store is not None:
        store = _named(settings.credential_store, paths, kind)
        act(key_removal.prepare_store(paths, store))
        return StoreChoice(store, f"{store.name}, as NIMBUS_SDK_CREDENTIAL_STORE says")
    keyring = KeyringStore(paths, kind)
    try:
        act(key_removal.prepare_store(paths, keyring))
    except CredentialStoreError as error:
        problem = error
    else:
        key_removal.finish_removals(paths)
        return StoreChoice(keyring, keyring.name)
    file = FileStore(paths.credentials, kind)
    act(file)
    is_absent = keyring.refusal is not None and keyring.refusal.is_absent
    because = problem.message[:1].lower() + problem.message[1:].rstrip(".")
    keyring_problem = "" if is_absent else key_removal.reason_of(problem)
    return StoreChoice(file, f"{file.name}, because {because}", keyring_problem)


def _expect_late_write(paths: Paths, store: CredentialStore, key: Key) -> None:
    """Record that a key may reach the keyring after its caller has given up, even after this process."""
    if isinstance(store, KeyringStore) and store.refusal is not None and store.refusal.may_complete:
        reason, fingerprint = store.refusal.reason, key.fingerprint
        try:
            key_removal.postpone_removal(paths, reason, masked=key.masked, fingerprint=fingerprint)
        except OSError as error:
            # The thread that was left behind removes the key as well, if this process lives as long.
            _log.debug("That %s may reach the keyring cannot be recorded: %s", key.masked, error)


def _stores_to_search(
    settings: Settings, kind: KeyKind[Key], metadata: KeyMetadata | None, patience: float | None
) -> tuple[list[CredentialStore], tuple[str, str]]:
    """Return the stores in the order of asking, and the names of those that must work."""
    if settings.credential_store is not None:
        store = _named(settings.credential_store, settings.paths, kind, patience)
        return [store], (store.name, FileStore.name)
    expected = FileStore.name if metadata is None else metadata.store
    stores: list[CredentialStore] = [
        KeyringStore(settings.paths, kind, patience=patience),
        FileStore(settings.paths.credentials, kind),
    ]
    if metadata is not None and expected == FileStore.name:
        stores.reverse()
    return stores, (expected, FileStore.name)


def _named(name: str, paths: Paths, kind: KeyKind[Key], patience: float | None = None) -> CredentialStore:
    if name == KeyringStore.name:
        return KeyringStore(paths, kind, patience=patience)
    return FileStore(paths.credentials, kind) if name == FileStore.name else MemoryStore()


def _remove_other_copy(
    settings: Settings, choice: StoreChoice, before: KeyMetadata | None, *, may_have: bool
) -> list[str]:
    """Remove the key that another store had before, or say that it stays."""
    paths = settings.paths
    if isinstance(choice.store, KeyringStore):
        try:
            key_metadata.clear_removal(paths)
            FileStore(paths.credentials, NIMBUS_BCI).delete(paths.profile)
        except CredentialStoreError as error:
            return [f"an older key may still be in the credentials file ({error.message.rstrip('.')})"]
        return []
    if not may_have:
        return []
    reason = choice.keyring_problem
    if not reason:
        keyring: KeyringStore[Key] = KeyringStore(paths)
        try:
            keyring.delete(paths.profile)
            key_metadata.clear_removal(paths)
        except CredentialStoreError as error:
            if key_removal.cannot_have_key(paths, before, keyring):
                return []
            reason = key_removal.reason_of(error)
        else:
            return []
    try:
        removal = key_removal.postpone_removal(paths, reason, masked=key_removal.masked_in_keyring(before))
    except OSError as error:
        return [f"an older key stays in the keyring, which {reason} ({error.strerror or error})"]
    return [f"{removal}, is removed as soon as that can be asked"]
