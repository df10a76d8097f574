"""Where the API key is kept: one protocol, three stores, and which of them counts."""

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
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, K_co, Key, KeyKind
from nimbus_sdk.storage.key_metadata import KeyMetadata, announce, read_notes, remove_metadata, write_metadata
from nimbus_sdk.storage.keyring_backend import KeyringStore

T = TypeVar("T")

_DECIDED = "as NIMBUS_SDK_CREDENTIAL_STORE says"


class CredentialStore(Protocol[K_co]):
    """Keeps one key a profile. Every method raises ``CredentialStoreError`` where the store fails."""

    name: str

    def location(self, profile: str) -> str:
        """Where the key of a profile is, in words."""
        ...

    def read(self, profile: str) -> K_co | None:
        """The profile's key, or None."""
        ...

    def write(self, profile: str, key: Key) -> None:
        """Keep a key, in place of the one that was there."""
        ...

    def delete(self, profile: str) -> bool:
        """Remove a key; False where there was none."""
        ...


class MemoryStore(Generic[K_co]):
    """Keeps keys as long as the object lives, and nothing beyond it (``none``).

    Example:
        >>> store = MemoryStore()
        >>> store.write("lab", ApiKey.parse("nbci_test_" + "0123456789ab" * 4))
        >>> store.read("lab"), MemoryStore().read("lab")
        (ApiKey('nbci_test_0123…89ab'), None)
    """

    name = "none"

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}

    def location(self, profile: str) -> str:
        """Where the key of a profile is, in words."""
        return f"memory only, profile {profile}"

    def read(self, profile: str) -> K_co | None:
        """The profile's key, or None."""
        return cast("K_co | None", self._keys.get(profile))

    def write(self, profile: str, key: Key) -> None:
        """Keep a key, in place of the one that was there."""
        self._keys[profile] = key

    def delete(self, profile: str) -> bool:
        """Remove a key; False where there was none."""
        return self._keys.pop(profile, None) is not None


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """The store in use, and why it is that one, in words for people."""

    store: CredentialStore[Key]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey(Generic[K_co]):
    """What the credential store has for a profile.

    Attributes:
        key: The key, or None.
        store: Name of the store that has it, or was asked first.
        location: Where that is, in words.
        origin: The one API origin that the key may be sent to; empty where none is known.
        trouble: Why another store, which might have a key too, could not be asked; empty where none.
    """

    key: K_co | None
    store: str
    location: str
    origin: str = DEFAULT_ORIGIN
    trouble: str = ""

    def withheld_from(self, api_url: str) -> str | None:
        """Why the key may not be used for an API, or None where it may.

        Args:
            api_url: ``Settings.api_url``.

        Example:
            >>> stored = StoredKey(key=None, store="file", location="")
            >>> stored.withheld_from("https://api.nimbusbci.com") is None
            True
            >>> stored.withheld_from("https://elsewhere.example")
            'it is for https://api.nimbusbci.com:443, not for https://elsewhere.example:443'
        """
        asked = origin(api_url)
        if asked == self.origin:
            return None
        return f"it is for {self.origin or 'a service of which no note was kept'}, not for {asked}"


def choose_store(settings: Settings) -> StoreChoice:
    """The store that these settings lead to; a keyring is asked once, to see whether it answers.

    Raises:
        CredentialStoreError: The setting names the keyring, and it does not work.
    """
    return _in_first_that_works(settings, NIMBUS_BCI, lambda store: store.read(settings.paths.profile))[0]


def save_key(settings: Settings, key: Key, origin: str, kind: KeyKind[Key] = NIMBUS_BCI) -> StoreChoice:
    """Keep a key that was just found valid, and note for which API; the note comes first.

    Args:
        origin: Scheme, host and port of the API that accepted it.
        kind: Whose key it is; the Nimbus API's where left out.

    Returns:
        The store that has it, and why that one.

    Raises:
        CredentialStoreError: The store that the setting names, or the last one tried, cannot keep it, or
            without a note it would be taken for a key of another API.
    """
    if settings.credential_store != MemoryStore.name:
        announce(settings.paths, key, origin, otherwise=kind.origin)
    choice, _ = _in_first_that_works(settings, kind, lambda store: store.write(settings.paths.profile, key))
    if choice.store.name == MemoryStore.name:
        return choice
    card = KeyMetadata.of(key, store=choice.store.name, origin=origin, now=time.time())
    notes = [choice.reason]
    try:
        write_metadata(settings.paths, card)
    except OSError as error:
        notes.append(f"the note beside it could not be written ({error.strerror or error})")
    if settings.credential_store is None and choice.store.name == KeyringStore.name:
        notes.extend(_drop_file_copy(settings.paths))
    return StoreChoice(choice.store, "; ".join(notes))


@overload
def read_stored_key(settings: Settings) -> StoredKey[ApiKey]: ...
@overload
def read_stored_key(settings: Settings, kind: KeyKind[K_co]) -> StoredKey[K_co]: ...
def read_stored_key(settings: Settings, kind: KeyKind[Key] = NIMBUS_BCI) -> StoredKey[Key]:
    """What is stored for the profile; the store that the key card names is asked first.

    The key in the answer may be used for ``StoredKey.origin`` alone.

    Args:
        kind: Whose key it is; the Nimbus API's where left out.

    Raises:
        CredentialStoreError: The store that should have the key cannot be read. A keyring that nothing
            says to hold a key, and that does not answer, is only named in ``trouble``.
    """
    noted = read_notes(settings.paths)
    stores = _stores_to_search(settings, kind, noted.card)
    must_work = _must_work(settings, noted.card)
    trouble = ""
    for store in stores:
        try:
            key = store.read(settings.paths.profile)
        except CredentialStoreError as error:
            if store.name in must_work:
                raise
            trouble = error.message
            continue
        if key is not None:
            return StoredKey(
                key=key,
                store=store.name,
                location=store.location(settings.paths.profile),
                origin=noted.origin_of(key) or kind.origin,
                trouble=trouble,
            )
    searched = " or ".join(store.location(settings.paths.profile) for store in stores)
    return StoredKey(key=None, store=stores[0].name, location=searched, trouble=trouble)


def delete_key(
    settings: Settings,
    fingerprint: str | None = None,
    kind: KeyKind[Key] = NIMBUS_BCI,
) -> bool:
    """Remove the stored key and its card.

    Args:
        fingerprint: Only if the stored key is the one with this fingerprint.
        kind: Whose key it is; the Nimbus API's where left out.

    Returns:
        Whether a key was removed.

    Raises:
        CredentialStoreError: The store that should have the key does not let it be removed.
    """
    noted = read_notes(settings.paths)
    stores = _stores_to_search(settings, kind, noted.card)
    must_work = _must_work(settings, noted.card)
    removed = False
    for store in stores:
        try:
            removed |= _delete(store, settings.paths.profile, fingerprint)
        except CredentialStoreError:
            if store.name in must_work:
                raise
    if fingerprint is None or noted.speaks_of_none_but(fingerprint):
        remove_metadata(settings.paths)
    return removed


def _in_first_that_works(
    settings: Settings, kind: KeyKind[Key], act: Callable[[CredentialStore[Key]], T]
) -> tuple[StoreChoice, T]:
    if settings.credential_store is not None:
        store = _named(settings.credential_store, settings.paths, kind)
        return StoreChoice(store, f"{store.name}, {_DECIDED}"), act(store)
    keyring = KeyringStore(settings.paths, kind)
    try:
        return StoreChoice(keyring, keyring.name), act(keyring)
    except CredentialStoreError as error:
        because = error.message[:1].lower() + error.message[1:].rstrip(".")
    file = FileStore(settings.paths.credentials, kind)
    return StoreChoice(file, f"{file.name}, because {because}"), act(file)


def _stores_to_search(
    settings: Settings, kind: KeyKind[Key], card: KeyMetadata | None
) -> list[CredentialStore[Key]]:
    if settings.credential_store is not None:
        return [_named(settings.credential_store, settings.paths, kind)]
    stores: list[CredentialStore[Key]] = [
        KeyringStore(settings.paths, kind),
        FileStore(settings.paths.credentials, kind),
    ]
    if card is not None and card.store == FileStore.name:
        stores.reverse()
    return stores


def _must_work(settings: Settings, card: KeyMetadata | None) -> frozenset[str]:
    expected = settings.credential_store or (card.store if card is not None else FileStore.name)
    return frozenset({expected, FileStore.name})


def _named(name: str, paths: Paths, kind: KeyKind[Key]) -> CredentialStore[Key]:
    if name == KeyringStore.name:
        return KeyringStore(paths, kind)
    return FileStore(paths.credentials, kind) if name == FileStore.name else MemoryStore()


def _drop_file_copy(paths: Paths) -> list[str]:
    try:
        FileStore(paths.credentials, NIMBUS_BCI).delete(paths.profile)
    except CredentialStoreError as error:
        return [f"an older key may still be in the credentials file ({error.message.rstrip('.')})"]
    return []


def _delete(store: CredentialStore[Key], profile: str, fingerprint: str | None) -> bool:
    if fingerprint is not None:
        key = store.read(profile)
        if key is None or key.fingerprint != fingerprint:
            return False
    return store.delete(profile)
