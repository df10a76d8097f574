"""Where the key of a service is: a variable, the nearest ``.env``, or its entry of the credential store."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError, MissingKeyError, NimbusError
from nimbus_sdk.services.base.service import Service, ServiceKey
from nimbus_sdk.storage import credentials, key_removal, key_sources
from nimbus_sdk.storage.credentials import MemoryStore, StoreChoice, StoredKey
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, sleep_between

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and where it is from: argument, environment, dotenv or store, and the exact place in words."""

    key: ServiceKey
    source: str
    location: str


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One entry of the credential store, for a key of one service, profile and environment.

    Every method but ``exclusive`` is blocking. Those that use the store raise ``CredentialStoreError`` if it
    refuses or cannot be read.
    """

    settings: Settings
    service: Service

    def beside(self, name: str) -> KeySlot:
        """Another slot of the same service, such as the one for the key before this one."""
        return replace(self, settings=replace(self.settings, profile=f"{self.settings.profile}.{name}"))

    def find_key(self, base_url: str) -> FoundKey:
        """Return the key of the first source that has one: variables, then this slot.

        A stored key is only for the origin that accepted it, so the base URL must be of that.

        Raises:
            InvalidKeyFormatError: The first source that has a text has no key. The message names it.
            MissingKeyError: No source has one.
        """
        service = self.service
        variables, parse = service.key_variables, service.parse_key
        environ = (key_sources.read_environment(os.environ, each, parse) for each in variables)
        dotenv = (key_sources.read_dotenv(self.settings, each, parse) for each in variables)
        result, _ = key_sources.first_found(chain(environ, dotenv))
        if result is not None and result.key is not None:
            return FoundKey(result.key, result.source, result.location)
        stored = key_sources.read_store(self.settings, base_url, service.key_kind)
        if stored.error is not None:
            stored.error.hint = f"{stored.error.hint} {service.key_variable} gives the key as well."
            raise stored.error
        if stored.key is None or stored.state != "found":
            raise MissingKeyError(
                f"No {service.name} key was found. {stored.note}".rstrip(),
                hint=f"Give api_key=…, set {service.key_variable}, or run `{service.save_command}`; keys are "
                f"made in {service.portal}.",
            )
        return FoundKey(stored.key, "store", stored.location)

    def overriding_source(self, fingerprint: str) -> str:
        """The source before the store that names another key than this one; empty if there is none."""
        without_store = replace(self, settings=replace(self.settings, credential_store="none"))
        try:
            found = without_store.find_key("")
        except NimbusError:
            return ""
        return "" if found.key.fingerprint == fingerprint else found.location

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

    def exclusive(self, change: Flow[T], *, seconds: float, busy: str) -> Flow[T]:
        """Run a flow while no other process changes the service's keys.

        ``ConfigurationError``, with the message ``busy``, if another one still does after so many seconds.
        """
        with Lock(f"{self.settings.paths.rotation}.lock") as lock:
            try:
                yield from sleep_between(lock.retries(seconds))
            except TimeoutError:
                raise ConfigurationError(busy, hint="Run it again when it is done.") from None
            except OSError as error:
                raise ConfigurationError(
                    f"The lock {lock.path} cannot be made ({error.strerror or error}).",
                    hint="Check free space and permissions of its folder, or set NIMBUS_SDK_HOME.",
                ) from None
            return (yield from change)
