"""One place in the credential store, for one key of one system, profile and environment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nimbus_sdk.services.service_key import ServiceKey
from nimbus_sdk.services.system import System
from nimbus_sdk.settings import Settings
from nimbus_sdk.store import credentials
from nimbus_sdk.store.credentials import Choice, Stored
from nimbus_sdk.store.places import Places

PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a system's key is kept; everything here is blocking.

    Attributes:
        settings: Which store, and where.
        places: Whose; from :meth:`Slot.of`.
        system: The system whose key it is.
    """

    settings: Settings
    places: Places
    system: System

    @classmethod
    def of(cls, settings: Settings, system: System) -> Slot:
        """The place of a system's key in use.

        Raises:
            ConfigurationError: This user has no home folder, and no folder was named.
        """
        return cls(settings, Places.of(settings).of_service(system.entry), system)

    def beside(self, name: str) -> Slot:
        """A second place for the same system: for the key before this one, or the one after."""
        return replace(self, places=replace(self.places, profile=f"{self.places.profile}.{name}"))

    def read(self) -> Stored[ServiceKey]:
        """What is there, and where it may go.

        Raises:
            CredentialStoreError: The store that should have it cannot be read.
        """
        return credentials.read_stored(self.settings, self.places, self.system.key_kind)

    def save(self, key: ServiceKey, origin: str) -> Choice:
        """Keep a key for one origin, in place of the one that was there.

        Raises:
            CredentialStoreError: No store takes it.
        """
        return credentials.save_key(self.settings, self.places, key, origin)

    def supersede(self, key: ServiceKey, origin: str) -> Choice:
        """Keep a key; another one that was there stays at hand as the one before.

        Raises:
            CredentialStoreError: As for :meth:`save`.
        """
        there = self.read()
        if there.key is not None and there.key != key:
            self.beside(PREVIOUS).save(there.key, there.origin)
        return self.save(key, origin)

    def forget(self) -> bool:
        """Remove the key; False where there was none.

        Raises:
            CredentialStoreError: The store does not let it be removed.
        """
        return credentials.forget_key(self.settings, self.places, kind=self.system.key_kind)
