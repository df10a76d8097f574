"""Finding a service's key: in the environment, the nearest ``.env``, the credential store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nimbus_sdk.config.dotenv import dotenv_values
from nimbus_sdk.errors import (
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyFormatError,
    MissingKeyError,
    NimbusError,
)
from nimbus_sdk.services.base.key_slot import KeySlot
from nimbus_sdk.services.base.service_key import ServiceKey


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
    for source, location, text in _texts(slot):
        key = slot.service.parse_key(text)
        text = None
        if isinstance(key, InvalidKeyFormatError):
            raise InvalidKeyFormatError(f"{location}: {key.message}", hint=key.hint)
        if key is not None:
            return FoundKey(key, source, location)
    return _find_stored_key(slot, base_url)


def overriding_source(slot: KeySlot, fingerprint: str) -> str:
    """The source that comes before the store and names another key than this one; empty if there is none."""
    without_store = replace(slot, settings=replace(slot.settings, credential_store="none"))
    try:
        found = find_key(without_store, "")
    except NimbusError:
        return ""
    return "" if found.key.fingerprint == fingerprint else found.location


def _texts(slot: KeySlot) -> Iterator[tuple[str, str, str | None]]:
    variables, dotenv = slot.service.key_variables, slot.settings.dotenv
    for variable in variables:
        yield "environment", f"{variable} in the environment", _none_if_blank(os.environ.get(variable))
    if dotenv is not None:
        for variable in variables:
            yield "dotenv", f"{variable} in {dotenv}", _none_if_blank(_read_dotenv(dotenv, variable))


def _read_dotenv(path: str, variable: str) -> str | None:
    try:
        return dotenv_values(path, variable).get(variable)
    except ConfigurationError as error:
        problem = ConfigurationError(error.message)
    # A new error, raised here: the traceback of the first one carries the content of the file.
    raise problem


def _none_if_blank(text: str | None) -> str | None:
    # CI systems and compose files set a variable to nothing if its secret is missing.
    return text if text and text.strip() else None


def _find_stored_key(slot: KeySlot, base_url: str) -> FoundKey:
    service = slot.service
    hint = (
        f"Give api_key=…, set {service.key_variable}, or run `{service.save_command}`; keys are made in "
        f"{service.portal}."
    )
    if slot.settings.credential_store == "none":
        raise MissingKeyError(f"No {service.name} key was found.", hint=hint)
    try:
        stored = slot.read()
    except CredentialStoreError as error:
        error.hint = f"{error.hint} {service.key_variable} gives the key as well."
        raise
    if stored.key is None:
        why = f" {stored.problem}" if stored.problem else ""
        raise MissingKeyError(f"No {service.name} key was found.{why}", hint=hint)
    withheld = stored.withheld_from(base_url)
    if withheld is not None:
        raise MissingKeyError(
            f"No {service.name} key was found. The stored key {stored.key.masked} ({stored.location}) was "
            f"not used: {withheld}.",
            hint=hint,
        )
    return FoundKey(stored.key, "store", stored.location)
