"""What each single source of the API key has: seen without raising, told without showing the key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nimbus_sdk.config.dotenv import decode_text, dotenv_values
from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.settings import KEY_VARIABLE, Settings, origin
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError, InvalidKeyFormatError, NimbusError
from nimbus_sdk.storage import fs

State = Literal["found", "absent", "shadowed", "malformed", "withheld", "unreadable", "skipped"]

_KEY_FILE_LIMIT = 4096
_JULIA_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResult:
    """What one source has.

    Attributes:
        source: Name of the source.
        location: The exact place, in words.
        state: What was seen there.
        key: The key, where it was read.
        store: Which of the SDK's own stores has it; empty for other sources.
        shown: Masked key and fingerprint, where they are known without reading the key.
        detail: Why it is so, in words.
        error: What is raised if this source's turn comes.
        note: A sentence for the message that no key was found.
    """

    source: str
    location: str
    state: State
    key: ApiKey | None = None
    store: str = ""
    shown: tuple[str, str] | None = None
    detail: str = ""
    error: NimbusError | None = None
    note: str = ""

    @property
    def decides(self) -> bool:
        """Whether no later source is asked."""
        return self.state == "found" or self.error is not None


def in_argument(given: str | ApiKey | None) -> SourceResult:
    """The caller's own argument; empty text is a mistake there, and no key."""
    location = "the argument"
    if isinstance(given, ApiKey):
        return SourceResult(source="argument", location=location, state="found", key=given)
    if given is None:
        return SourceResult(source="argument", location=location, state="absent")
    return _parsed("argument", location, given)


def in_environment(environ: Mapping[str, str]) -> SourceResult:
    """``NIMBUS_API_KEY`` in the environment."""
    return _in_text("environment", f"{KEY_VARIABLE} in the environment", environ.get(KEY_VARIABLE))


def in_dotenv(settings: Settings) -> SourceResult:
    """``NIMBUS_API_KEY`` in the ``.env`` that counts."""
    if settings.dotenv is None:
        detail = "there is none for this folder"
        return SourceResult(source="dotenv", location="the nearest .env", state="absent", detail=detail)
    location = f"{KEY_VARIABLE} in {settings.dotenv}"
    try:
        text = dotenv_values(settings.dotenv).get(KEY_VARIABLE)
    except ConfigurationError as fault:
        # A new error: the traceback of this one carries the content of the file.
        return _unreadable("dotenv", location, ConfigurationError(fault.message))
    return _in_text("dotenv", location, text)


def in_key_file(settings: Settings) -> SourceResult:
    """The mounted file that ``NIMBUS_SDK_API_KEY_FILE`` names.

    Somebody who names a file means that one: a missing or empty file must not lead to another account.
    """
    if settings.key_file is None:
        return SourceResult(source="key_file", location="NIMBUS_SDK_API_KEY_FILE", state="absent")
    location = f"{settings.key_file} (NIMBUS_SDK_API_KEY_FILE)"
    try:
        content = fs.read(settings.key_file, _KEY_FILE_LIMIT)
        if content is None:
            raise FileNotFoundError
        text = decode_text(content)
    except OSError as fault:
        error = ConfigurationError(f"The key file {location} cannot be read ({type(fault).__name__}).")
        return _unreadable("key_file", location, error)
    return _parsed("key_file", location, text)


def in_store(settings: Settings) -> SourceResult:
    """The credential store, under the profile; this may open the keyring."""
    from nimbus_sdk.storage.credentials import read_stored_key

    if settings.credential_store == "none":
        detail = "NIMBUS_SDK_CREDENTIAL_STORE is none"
        return SourceResult(source="store", location="no credential store", state="skipped", detail=detail)
    try:
        stored = read_stored_key(settings)
    except CredentialStoreError as error:
        return _unreadable("store", settings.credential_store or "the credential store", error)
    location, trouble = stored.location, stored.trouble
    if stored.key is None:
        return SourceResult(source="store", location=location, state="absent", detail=trouble, note=trouble)
    withheld = stored.withheld_from(settings.api_url)
    if withheld is not None:
        return _withheld("store", location, stored.key, withheld)
    return SourceResult(
        source="store",
        location=location,
        state="found",
        key=stored.key,
        store=stored.store,
        detail=trouble,
    )


def noted_in_card(settings: Settings) -> SourceResult | None:
    """What the key card tells of the stored key, with no store opened; None where it tells nothing."""
    from nimbus_sdk.storage.key_metadata import read_metadata

    try:
        card = read_metadata(settings.paths)
    except CredentialStoreError:
        # Reading the store itself meets the same fault, and reports it.
        return None
    if card is None or settings.credential_store not in (None, card.store):
        return None
    location = f"{card.store}, saved {card.saved_at}"
    return SourceResult(
        source="store", location=location, state="found", shown=(card.masked, card.fingerprint)
    )


def in_julia(settings: Settings) -> SourceResult:
    """NimbusSDK.jl's ``~/.nimbus/credentials.toml``: read only, and no fault of it stops anything."""
    from nimbus_sdk.config.settings import DEFAULT_ORIGIN

    path = os.path.join(os.path.expanduser("~"), ".nimbus", "credentials.toml")
    location = f"[nimbus] api_key in {path}"
    try:
        content = fs.read(path, _JULIA_LIMIT) if os.path.isabs(path) else None
        text = None if content is None else _julia_entry(content)
    except (OSError, ValueError, RecursionError) as fault:
        why = f"it cannot be read ({type(fault).__name__})"
        note = f"{path} was left out: {why}."
        return SourceResult(source="julia", location=location, state="unreadable", detail=why, note=note)
    seen = _in_text("julia", location, text)
    asked = origin(settings.api_url)
    if seen.key is not None and asked != DEFAULT_ORIGIN:
        return _withheld("julia", location, seen.key, f"it is for {DEFAULT_ORIGIN}, not for {asked}")
    return seen


def _in_text(source: str, location: str, text: str | None) -> SourceResult:
    # CI systems and compose files set a variable to nothing where its secret is not there.
    if text is None or not text.strip():
        detail = "" if text is None else "it is empty"
        return SourceResult(source=source, location=location, state="absent", detail=detail)
    return _parsed(source, location, text)


def _parsed(source: str, location: str, text: str) -> SourceResult:
    key = parse_key(text)
    if isinstance(key, InvalidKeyFormatError):
        error = InvalidKeyFormatError(f"{location}: {key.message}")
        return SourceResult(
            source=source, location=location, state="malformed", detail=key.message, error=error
        )
    return SourceResult(source=source, location=location, state="found", key=key)


def _unreadable(source: str, location: str, error: NimbusError) -> SourceResult:
    return SourceResult(
        source=source, location=location, state="unreadable", detail=error.message, error=error
    )


def _withheld(source: str, location: str, key: ApiKey, why: str) -> SourceResult:
    note = f"The key {key.masked} ({location}) was not used: {why}."
    return SourceResult(source=source, location=location, state="withheld", key=key, detail=why, note=note)


def _julia_entry(content: bytes) -> str | None:
    import tomllib

    table = tomllib.loads(content.decode("utf-8-sig")).get("nimbus")
    entry = table.get("api_key") if isinstance(table, dict) else None
    return entry if isinstance(entry, str) else None
