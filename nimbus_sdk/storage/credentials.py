"""The credential store: one protocol, three stores, and which of them is used."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast, overload

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings, origin
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, K_co, Key, KeyEntry, KeyKind
from nimbus_sdk.storage.key_metadata import (
    KeyMetadata,
    read_metadata,
    remove_metadata,
    reserve_metadata,
    write_metadata,
)
from nimbus_sdk.storage.keyring_backend import KeyringStore, Patience

T = TypeVar("T")

_BY_SETTING = "as NIMBUS_SDK_CREDENTIAL_STORE says"


class CredentialStore(Protocol[K_co]):
    """Stores one key a profile. Every method raises ``CredentialStoreError`` if the store fails."""

    name: str

    def location(self, profile: str) -> str:
        """Describe where the key of a profile is."""
        ...

    def read(self, profile: str) -> KeyEntry[K_co] | None:
        """Return the profile's key, or None."""
        ...

    def write(self, profile: str, entry: KeyEntry[Key]) -> None:
        """Store a key, replacing the one before."""
        ...

    def delete(self, profile: str) -> bool:
        """Remove a key, and return whether there was one."""
        ...


class MemoryStore(Generic[K_co]):
    """Stores keys as long as the object lives, and nothing beyond it (``none``).

    Examples:
        >>> store = MemoryStore()
        >>> store.write("lab", KeyEntry(ApiKey.parse("nbci_test_" + "0123456789ab" * 4), DEFAULT_ORIGIN))
        >>> store.read("lab").key, MemoryStore().read("lab")
        (ApiKey('nbci_test_0123…89ab'), None)
    """

    name = "none"

    def __init__(self) -> None:
        self._entries: dict[str, KeyEntry[Key]] = {}

    def location(self, profile: str) -> str:
        """Describe where the key of a profile is."""
        return f"memory only, profile {profile}"

    def read(self, profile: str) -> KeyEntry[K_co] | None:
        """Return the profile's key, or None."""
        return cast("KeyEntry[K_co] | None", self._entries.get(profile))

    def write(self, profile: str, entry: KeyEntry[Key]) -> None:
        """Store a key, replacing the one before."""
        self._entries[profile] = entry

    def delete(self, profile: str) -> bool:
        """Remove a key, and return whether there was one."""
        return self._entries.pop(profile, None) is not None


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """The store in use, and the reason for it, as text."""

    store: CredentialStore[Key]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
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
        """Return why the key may not be used for an API, or None if it may.

        Args:
            api_url: ``Settings.api_url``.

        Examples:
            >>> stored = StoredKey(key=None, store="file", location="")
            >>> stored.withheld_from("https://api.nimbusbci.com") is None
            True
            >>> stored.withheld_from("https://elsewhere.example")
            'it is for https://api.nimbusbci.com:443, not for https://elsewhere.example:443'
        """
        requested = origin(api_url)
        if requested == self.origin:
            return None
        return f"it is for {self.origin or 'a service that is not known'}, not for {requested}"


def choose_store(settings: Settings) -> StoreChoice:
    """Return the store that these settings lead to; a keyring is asked once, to see whether it answers.

    Raises:
        CredentialStoreError: The setting names the keyring, and it does not work.
    """
    return _in_first_that_works(settings, NIMBUS_BCI, lambda store: store.read(settings.paths.profile))[0]


def save_key(settings: Settings, key: Key, origin: str, kind: KeyKind[Key] = NIMBUS_BCI) -> StoreChoice:
    """Store a key that an API has just accepted, together with that API's origin.

    Args:
        origin: Scheme, host and port of the API that accepted it.
        kind: Whose key it is; the Nimbus API's if omitted.

    Returns:
        The store that has it, and the reason for that one.

    Raises:
        CredentialStoreError: The store that the setting names, or the last one tried, cannot store it.
    """
    if settings.credential_store != MemoryStore.name:
        reserve_metadata(settings.paths)
    entry = KeyEntry(key, origin)
    choice, _ = _in_first_that_works(settings, kind, lambda store: store.write(settings.paths.profile, entry))
    if choice.store.name == MemoryStore.name:
        return choice
    notes = [choice.reason]
    try:
        write_metadata(settings.paths, KeyMetadata.of(key, store=choice.store.name, now=time.time()))
    except OSError as error:
        notes.append(f"the metadata beside it could not be written ({error.strerror or error})")
    if settings.credential_store is None and choice.store.name == KeyringStore.name:
        notes.extend(_delete_file_copy(settings.paths))
    return StoreChoice(choice.store, "; ".join(notes))


@overload
def read_stored_key(settings: Settings) -> StoredKey[ApiKey]: ...
@overload
def read_stored_key(
    settings: Settings, kind: KeyKind[K_co], patience: Patience | None = None
) -> StoredKey[K_co]: ...
def read_stored_key(
    settings: Settings, kind: KeyKind[Key] = NIMBUS_BCI, patience: Patience | None = None
) -> StoredKey[Key]:
    """Return what is stored for the profile; the store that the metadata names is asked first.

    The key may be used for ``StoredKey.origin`` alone.

    Args:
        kind: Whose key it is; the Nimbus API's if omitted.
        patience: How long the keyring may take, as for ``KeyringStore``.

    Raises:
        CredentialStoreError: The store that should have the key cannot be read. A keyring that no metadata
            names and that does not answer is only reported in ``problem``.
    """
    stores, required = _stores_to_search(settings, kind, read_metadata(settings.paths), patience)
    problem = ""
    for store in stores:
        try:
            entry = store.read(settings.paths.profile)
        except CredentialStoreError as error:
            if store.name in required:
                raise
            problem = error.message
            continue
        if entry is not None:
            return StoredKey(
                key=entry.key,
                store=store.name,
                location=store.location(settings.paths.profile),
                origin=entry.origin,
                problem=problem,
            )
    searched = " or ".join(store.location(settings.paths.profile) for store in stores)
    return StoredKey(key=None, store=stores[0].name, location=searched, problem=problem)


def delete_key(
    settings: Settings,
    fingerprint: str | None = None,
    kind: KeyKind[Key] = NIMBUS_BCI,
) -> bool:
    """Remove the stored key and its metadata.

    Args:
        fingerprint: Only if the stored key is the one with this fingerprint.
        kind: Whose key it is; the Nimbus API's if omitted.

    Returns:
        Whether a key was removed.

    Raises:
        CredentialStoreError: The store that should have the key does not let it be removed.
    """
    metadata = read_metadata(settings.paths)
    stores, required = _stores_to_search(settings, kind, metadata, None)
    removed = another = False
    for store in stores:
        try:
            if fingerprint is not None:
                entry = store.read(settings.paths.profile)
                if entry is None or entry.key.fingerprint != fingerprint:
                    another |= entry is not None
                    continue
            removed |= store.delete(settings.paths.profile)
        except CredentialStoreError:
            if store.name in required:
                raise
    of_another = metadata is not None and fingerprint not in (None, metadata.fingerprint)
    if not another and (removed or not of_another):
        remove_metadata(settings.paths)
    return removed


def _in_first_that_works(
    settings: Settings, kind: KeyKind[Key], act: Callable[[CredentialStore[Key]], T]
) -> tuple[StoreChoice, T]:
    if settings.credential_store is not None:
        store = _named(settings.credential_store, settings.paths, kind)
        return StoreChoice(store, f"{store.name}, {_BY_SETTING}"), act(store)
    keyring = KeyringStore(settings.paths, kind)
    try:
        return StoreChoice(keyring, keyring.name), act(keyring)
    except CredentialStoreError as error:
        because = error.message[:1].lower() + error.message[1:].rstrip(".")
    file = FileStore(settings.paths.credentials, kind)
    return StoreChoice(file, f"{file.name}, because {because}"), act(file)


def _stores_to_search(
    settings: Settings, kind: KeyKind[Key], metadata: KeyMetadata | None, patience: Patience | None
) -> tuple[list[CredentialStore[Key]], frozenset[str]]:
    """Return the stores in the order of asking, and the names of those that must work."""
    if settings.credential_store is not None:
        required = frozenset({settings.credential_store, FileStore.name})
        return [_named(settings.credential_store, settings.paths, kind, patience)], required
    expected = FileStore.name if metadata is None else metadata.store
    stores: list[CredentialStore[Key]] = [
        KeyringStore(settings.paths, kind, patience=patience),
        FileStore(settings.paths.credentials, kind),
    ]
    if metadata is not None and expected == FileStore.name:
        stores.reverse()
    return stores, frozenset({expected, FileStore.name})


def _named(
    name: str, paths: Paths, kind: KeyKind[Key], patience: Patience | None = None
) -> CredentialStore[Key]:
    if name == KeyringStore.name:
        return KeyringStore(paths, kind, patience=patience)
    return FileStore(paths.credentials, kind) if name == FileStore.name else MemoryStore()


def _delete_file_copy(paths: Paths) -> list[str]:
    try:
        FileStore(paths.credentials, NIMBUS_BCI).delete(paths.profile)
    except CredentialStoreError as error:
        return [f"an older key may still be in the credentials file ({error.message.rstrip('.')})"]
    return []
