"""The stored key: save, read and delete it, and explain where a key comes from."""

from __future__ import annotations

from nimbus_sdk.config.keys import parse_key, raise_if_invalid
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import MissingKeyError
from nimbus_sdk.storage import credentials, key_lookup
from nimbus_sdk.storage.key_lookup import KeyResolution
from nimbus_sdk.transport.driver import run_async
from nimbus_sdk.transport.flow import run_blocking


def save_api_key(key: str, *, profile: str | None = None) -> str:
    """Store a key for this profile, without asking the service.

    Returns:
        The store it is in: ``keyring``, ``file`` or ``none``.

    Raises:
        InvalidKeyFormatError: The text is no key.
        CredentialStoreError: The store refused.
    """
    given, key = parse_key(key), ""
    checked = raise_if_invalid(given)
    if checked is None:
        raise MissingKeyError("There is no key to save.")
    settings = Settings.load(profile=profile)
    return credentials.save_key(settings, checked, origin(settings.api_url)).store.name


async def save_api_key_async(key: str, *, profile: str | None = None) -> str:
    """The awaitable twin of :func:`save_api_key`."""
    return await run_async(
        Settings.load(profile=profile), run_blocking(lambda: save_api_key(key, profile=profile))
    )


def get_stored_api_key(*, profile: str | None = None) -> str | None:
    """Return the key that is stored for this profile, whole, or None. Keep it out of logs.

    Raises:
        CredentialStoreError: The store cannot be read.
    """
    settings = Settings.load(profile=profile)
    stored = credentials.read_stored_key(settings)
    return None if stored.key is None else stored.key.reveal()


async def get_stored_api_key_async(*, profile: str | None = None) -> str | None:
    """The awaitable twin of :func:`get_stored_api_key`."""
    return await run_async(
        Settings.load(profile=profile), run_blocking(lambda: get_stored_api_key(profile=profile))
    )


def delete_stored_api_key(*, profile: str | None = None) -> bool:
    """Delete the key that is stored for this profile; it stays valid at the service.

    Returns:
        Whether there was one.

    Raises:
        CredentialStoreError: The store refused.
    """
    settings = Settings.load(profile=profile)
    return credentials.delete_key(settings)


async def delete_stored_api_key_async(*, profile: str | None = None) -> bool:
    """The awaitable twin of :func:`delete_stored_api_key`."""
    return await run_async(
        Settings.load(profile=profile), run_blocking(lambda: delete_stored_api_key(profile=profile))
    )


def explain(*, profile: str | None = None) -> KeyResolution:
    """Return every source of a key, in order, and which one gives it; keys are masked."""
    settings = Settings.load(profile=profile)
    return key_lookup.explain(settings)


async def explain_async(*, profile: str | None = None) -> KeyResolution:
    """The awaitable twin of :func:`explain`."""
    return await run_async(Settings.load(profile=profile), run_blocking(lambda: explain(profile=profile)))
