"""Where a system's key comes from: the argument, the environment, the nearest ``.env``, the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from nimbus_sdk.config.dotenv import dotenv_values
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError, InvalidKeyFormatError, MissingKeyError
from nimbus_sdk.services.base.key_slot import Slot
from nimbus_sdk.services.base.service import System
from nimbus_sdk.services.base.service_key import GivenKey, ServiceKey


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key that counts, and where it is from.

    Attributes:
        key: The key; it masks itself.
        source: ``argument``, ``environment``, ``dotenv`` or ``store``.
        location: The exact place, in words.
    """

    key: ServiceKey
    source: str
    location: str


def find_key(slot: Slot, base: str, given: GivenKey = None) -> FoundKey:
    """The key that counts: the first source that has one. A stored key goes only where it was found valid.

    Args:
        slot: Where the system's key is stored.
        base: The base URL that the key would go to.
        given: The caller's own argument, from :meth:`System.read_key`.

    Raises:
        InvalidKeyFormatError: The first source that has something has no key. The message names it.
        CredentialStoreError: The store that should have the key cannot be read.
        MissingKeyError: No source has one.
    """
    for source, location, look in _cheap_sources(slot.system, slot.settings, given):
        key = look()
        if isinstance(key, InvalidKeyFormatError):
            raise InvalidKeyFormatError(f"{location}: {key.message}", hint=key.hint)
        if key is not None:
            return FoundKey(key, source, location)
    return _stored(slot, base)


def _cheap_sources(
    system: System, settings: Settings, given: GivenKey
) -> Iterator[tuple[str, str, Callable[[], GivenKey]]]:
    yield "argument", "the argument", lambda: given
    for variable in system.key_variables:
        location = f"{variable} in the environment"
        yield "environment", location, partial(_in_environment, system, variable)
    if settings.dotenv is not None:
        for variable in system.key_variables:
            location = f"{variable} in {settings.dotenv}"
            yield "dotenv", location, partial(_in_dotenv, system, variable, settings.dotenv)


def _in_environment(system: System, variable: str) -> GivenKey:
    return system.read_key(_filled(os.environ.get(variable)))


def _in_dotenv(system: System, variable: str, path: str) -> GivenKey:
    try:
        values = dotenv_values(path, variable)
    except ConfigurationError as error:
        fault = ConfigurationError(error.message)
    else:
        return system.read_key(_filled(values.get(variable)))
    # A new error, raised here: the traceback of that one carries the content of the file.
    raise fault


def _filled(text: str | None) -> str | None:
    # CI systems and compose files set a variable to nothing where its secret is not there.
    return text if text and text.strip() else None


def _stored(slot: Slot, base: str) -> FoundKey:
    system = slot.system
    hint = (
        f"Give api_key=…, set {system.key_variable}, or run `{system.save_command}`; keys are made in "
        f"{system.portal}."
    )
    if slot.settings.credential_store == "none":
        raise MissingKeyError(f"No {system.name} key was found.", hint=hint)
    try:
        stored = slot.read()
    except CredentialStoreError as error:
        error.hint = f"{error.hint} {system.key_variable} gives the key as well."
        raise
    if stored.key is None:
        why = f" {stored.trouble}" if stored.trouble else ""
        raise MissingKeyError(f"No {system.name} key was found.{why}", hint=hint)
    withheld = stored.withheld_from(base)
    if withheld is not None:
        raise MissingKeyError(
            f"No {system.name} key was found. The stored key {stored.key.masked} ({stored.location}) was not "
            f"used: {withheld}.",
            hint=hint,
        )
    return FoundKey(stored.key, "store", stored.location)
