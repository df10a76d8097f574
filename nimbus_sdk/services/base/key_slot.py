"""One place in the credential store, for one key of one system, profile and environment."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError
from nimbus_sdk.services.base.service import System
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.storage import credentials
from nimbus_sdk.storage.credentials import MemoryStore, StoreChoice, StoredKey
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, run_blocking, sleep

PREVIOUS = "previous"
NEXT = "next"
_ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a system's key is kept; everything here is blocking.

    Attributes:
        settings: Which store, and where; from :meth:`Slot.of`.
        system: The system whose key it is.
    """

    settings: Settings
    system: System

    @classmethod
    def of(cls, settings: Settings, system: System) -> Slot:
        """The place of a system's key in use.

        Raises:
            ConfigurationError: This user has no home folder, and no folder was named.
        """
        return cls(settings.for_service(system.entry), system)

    def beside(self, name: str) -> Slot:
        """A second place for the same system: for the key before this one, or the one after."""
        return replace(self, settings=replace(self.settings, profile=f"{self.settings.profile}.{name}"))

    @property
    def noted(self) -> bool:
        """Whether a key may be there; no store is asked, since no key is there without its note."""
        return os.path.exists(self.settings.paths.key_card)

    def read(self) -> StoredKey[ServiceKey]:
        """What is there, and where it may go.

        Raises:
            CredentialStoreError: The store that should have it cannot be read.
        """
        return credentials.read_stored_key(self.settings, self.system.key_kind)

    def save(self, key: ServiceKey, origin: str) -> StoreChoice:
        """Keep a key for one origin, in place of the one that was there.

        Raises:
            CredentialStoreError: No store takes it.
        """
        return credentials.save_key(self.settings, key, origin, self.system.key_kind)

    def put(self, key: ServiceKey, origin: str) -> StoreChoice:
        """Keep a key, and look whether it is the one that is found there now.

        Raises:
            CredentialStoreError: As for :meth:`save`, or another store still gives another key.
        """
        choice = self.save(key, origin)
        if choice.store.name != MemoryStore.name and self.read().key != key:
            raise CredentialStoreError(
                f"The {self.system.name} key {key.masked} was stored, and another one is still found first.",
                hint="Check NIMBUS_SDK_CREDENTIAL_STORE and the system's keyring, then run it again.",
            )
        return choice

    def supersede(self, key: ServiceKey, origin: str) -> StoreChoice:
        """Keep a key; another one that was there stays at hand as the one before.

        Whoever is killed in the middle loses neither of the two, nor the one before them.

        Raises:
            CredentialStoreError: As for :meth:`put`.
        """
        self.settle()
        there = self.read()
        if there.key is not None and there.key != key:
            self.beside(_ASIDE).put(there.key, there.origin)
        choice = self.put(key, origin)
        # The key is in its place; what is left over now is settled at the next change.
        with suppress(CredentialStoreError):
            self.settle()
        return choice

    def settle(self) -> None:
        """Bring an interrupted change to its end: a key that was set aside becomes the one before.

        Raises:
            CredentialStoreError: As for :meth:`put`.
        """
        aside = self.beside(_ASIDE)
        if not aside.noted:
            return
        left = aside.read()
        if left.key is not None and left.key != self.read().key:
            self.beside(PREVIOUS).put(left.key, left.origin)
        aside.forget()

    def forget(self) -> bool:
        """Remove the key; False where there was none.

        Raises:
            CredentialStoreError: The store does not let it be removed.
        """
        return credentials.delete_key(self.settings, kind=self.system.key_kind)


T = TypeVar("T")

_POLL_SECONDS = 0.1
_POLLS = 20


def alone(slot: Slot, change: Flow[T]) -> Flow[T]:
    """Run a conversation that changes the keys of a slot while nobody else does.

    What an earlier change left half done is brought to its end first.

    Raises:
        ConfigurationError: Another process is at it, or the lock cannot be made.
        CredentialStoreError: The store refuses.
    """
    if slot.settings.credential_store == MemoryStore.name:
        return (yield from change)
    with Lock(f"{slot.settings.paths.rotation}.lock") as lock:
        yield from _taken(lock)
        yield from run_blocking(slot.settle)
        return (yield from change)


def _taken(lock: Lock) -> Flow[None]:
    for poll in range(_POLLS):
        if poll:
            yield from sleep(_POLL_SECONDS)
        try:
            free = yield from run_blocking(lock.try_acquire)
        except OSError as error:
            raise ConfigurationError(
                f"The lock {lock.path} cannot be made ({error.strerror or error}).",
                hint="Check free space and permissions of its folder, or set NIMBUS_SDK_HOME.",
            ) from None
        if free:
            return
    raise ConfigurationError(
        "Another process is changing this key right now.", hint="Run it again when it is done."
    )
