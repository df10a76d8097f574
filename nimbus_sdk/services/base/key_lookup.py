"""Finding a service's key: in the environment, the nearest ``.env``, the credential store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nimbus_sdk.errors import MissingKeyError, NimbusError
from nimbus_sdk.services.base.key_slot import KeySlot
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.storage import key_sources
from nimbus_sdk.storage.key_sources import SourceResult


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and where it is from: argument, environment, dotenv or store, and the exact place in words."""

    key: ServiceKey
    source: str
    location: str


def find_service_key(slot: KeySlot, base_url: str) -> FoundKey:
    """Return the key of the first source that has one. A stored key is for the origin that accepted it alone.

    Args:
        slot: Where the service's key is stored.
        base_url: The base URL that the key would be sent to.

    Raises:
        InvalidKeyFormatError: The first source that has a text has no key. The message names it.
        CredentialStoreError: The store that should have the key cannot be read.
        MissingKeyError: No source has one.
    """
    service = slot.service
    result, _ = key_sources.first_found(_read_variables(slot))
    if result is not None and result.key is not None:
        return FoundKey(result.key, result.source, result.location)
    stored = key_sources.read_store(slot.settings, base_url, service.key_kind)
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


def overriding_source(slot: KeySlot, fingerprint: str) -> str:
    """The source that comes before the store and names another key than this one; empty if there is none."""
    without_store = replace(slot, settings=replace(slot.settings, credential_store="none"))
    try:
        found = find_service_key(without_store, "")
    except NimbusError:
        return ""
    return "" if found.key.fingerprint == fingerprint else found.location


def _read_variables(slot: KeySlot) -> Iterator[SourceResult[ServiceKey]]:
    variables, parse = slot.service.key_variables, slot.service.parse_key
    for variable in variables:
        yield key_sources.read_environment(os.environ, variable, parse)
    for variable in variables:
        yield key_sources.read_dotenv(slot.settings, variable, parse)
