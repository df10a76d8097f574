"""Finding a service's key: in the environment, the nearest ``.env``, the credential store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nimbus_sdk.errors import MissingKeyError, NimbusError
from nimbus_sdk.services.base.key_slot import KeySlot
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.storage.key_sources import (
    SourceResult,
    first_found,
    read_dotenv,
    read_environment,
    read_store,
)


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and where it is from.

    Attributes:
        key: The key; it masks itself.
        source: ``argument``, ``environment``, ``dotenv`` or ``store``.
        location: The exact place, for messages.
    """

    key: ServiceKey
    source: str
    location: str


def find_key(slot: KeySlot, base_url: str) -> FoundKey:
    """Return the key of the first source that has one. A stored key is for the origin that accepted it alone.

    Args:
        slot: Where the service's key is stored.
        base_url: The base URL that the key would be sent to.

    Raises:
        InvalidKeyFormatError: The first source that has a text has no key. The message names it.
        CredentialStoreError: The store that should have the key cannot be read.
        MissingKeyError: No source has one.
    """
    result, _ = first_found(_read_variables(slot))
    if result is not None and result.key is not None:
        return FoundKey(result.key, result.source, result.location)
    return _find_stored_key(slot, base_url)


def overriding_source(slot: KeySlot, fingerprint: str) -> str:
    """The source that comes before the store and names another key than this one; empty if there is none."""
    without_store = replace(slot, settings=replace(slot.settings, credential_store="none"))
    try:
        found = find_key(without_store, "")
    except NimbusError:
        return ""
    return "" if found.key.fingerprint == fingerprint else found.location


def _read_variables(slot: KeySlot) -> Iterator[SourceResult[ServiceKey]]:
    variables, parse = slot.service.key_variables, slot.service.parse_key
    for variable in variables:
        yield read_environment(os.environ, variable, parse)
    for variable in variables:
        yield read_dotenv(slot.settings.dotenv, variable, parse)


def _find_stored_key(slot: KeySlot, base_url: str) -> FoundKey:
    service = slot.service
    hint = (
        f"Give api_key=…, set {service.key_variable}, or run `{service.save_command}`; keys are made in "
        f"{service.portal}."
    )
    result = read_store(slot.settings, base_url, service.key_kind)
    if result.error is not None:
        result.error.hint = f"{result.error.hint} {service.key_variable} gives the key as well."
        raise result.error
    if result.key is None or result.state != "found":
        raise MissingKeyError(f"No {service.name} key was found. {result.note}".rstrip(), hint=hint)
    return FoundKey(result.key, "store", result.location)
