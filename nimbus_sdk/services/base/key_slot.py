"""One place in the credential store, for one key of one service, profile and environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError
from nimbus_sdk.services.base.service import Service
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.storage import credentials, key_removal
from nimbus_sdk.storage.credentials import MemoryStore, StoreChoice, StoredKey
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, sleep_between


@dataclass(frozen=True, slots=True)
class KeySlot:
    """Stores one key of a service; every method is blocking.

    Those that use the store raise ``CredentialStoreError`` if it refuses or cannot be read.

    Attributes:
        settings: Which store, and which entry of it.
        service: The service whose key it is.
    """

    settings: Settings
    service: Service

    def beside(self, name: str) -> KeySlot:
        """Another slot of the same service, such as the one for the key before this one."""
        return replace(self, settings=replace(self.settings, profile=f"{self.settings.profile}.{name}"))

    @property
    def has_metadata(self) -> bool:
        """Whether a key may be there; asks no store, since no key is there without its metadata."""
        return os.path.exists(self.settings.paths.key_metadata)

    def read(self) -> StoredKey[ServiceKey]:
        """Return the key that is there, and where it may be sent."""
        return credentials.read_stored_key(self.settings, self.service.key_kind)

    def holds(self, fingerprint: str) -> bool:
        """Whether the key with this fingerprint is there."""
        key = self.read().key
        return key is not None and key.fingerprint == fingerprint

    def save(self, key: ServiceKey, origin: str) -> StoreChoice:
        """Store a key for one origin, in place of the one that was there."""
        return credentials.save_key(self.settings, key, origin, self.service.key_kind)

    def save_and_check(self, key: ServiceKey, origin: str) -> StoreChoice:
        """Store a key, and read it back; that another store still gives another key is an error."""
        choice = self.save(key, origin)
        if choice.store.name != MemoryStore.name and self.read().key != key:
            raise CredentialStoreError(
                f"The {self.service.name} key {key.masked} was stored, but another one is still found first.",
                hint="Check NIMBUS_SDK_CREDENTIAL_STORE and the system's keyring, then run it again.",
            )
        return choice

    def delete(self) -> bool:
        """Remove the key; False if there was none."""
        return key_removal.delete_key(self.settings, kind=self.service.key_kind)

    def lock(self) -> Lock:
        """The lock for changes of the service's keys."""
        return Lock(f"{self.settings.paths.rotation}.lock")


def acquire_lock(lock: Lock, *, seconds: float, busy: str) -> Flow[None]:
    """Wait for a lock of ``KeySlot.lock``.

    Raises:
        ConfigurationError: Another process still holds it, with the message ``busy``; or it cannot be made.
    """
    try:
        yield from sleep_between(lock.retries(seconds))
    except TimeoutError:
        raise ConfigurationError(busy, hint="Run it again when it is done.") from None
    except OSError as error:
        raise ConfigurationError(
            f"The lock {lock.path} cannot be made ({error.strerror or error}).",
            hint="Check free space and permissions of its folder, or set NIMBUS_SDK_HOME.",
        ) from None
