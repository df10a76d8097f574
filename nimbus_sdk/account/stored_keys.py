"""The stored key: save, read and delete it, and explain where a key comes from."""

from __future__ import annotations

from nimbus_sdk.config.keys import parse_key, raise_if_invalid
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import MissingKeyError
from nimbus_sdk.storage import credentials, key_lookup, key_removal
from nimbus_sdk.storage.key_lookup import KeyResolution
from nimbus_sdk.transport.flow import run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey


def _save_api_key(key: str, *, profile: str | None = None) -> Prepared[str]:
    """Store a key for this profile, without asking the service.

    Returns:
        The store it is in: ``keyring``, ``file`` or ``none``.

    Raises:
        InvalidKeyFormatError: The text is not a key.
        CredentialStoreError: The store refused.
    """
    given, key = parse_key(key), ""
    settings = Settings.load(profile=profile)
    return settings, run_blocking(lambda: _save(settings, given))


save_api_key, save_api_key_async = make_pair(_save_api_key)


def _save(settings: Settings, given: ParsedKey) -> str:
    key = raise_if_invalid(given)
    if key is None:
        raise MissingKeyError("There is no key to save.")
    return credentials.save_key(settings, key, origin(settings.api_url)).store.name


def get_stored_api_key(*, profile: str | None = None) -> str | None:
    """Return the key that is stored for this profile, whole, or None. Keep it out of logs.

    Raises:
        CredentialStoreError: The store cannot be read.
    """
    settings = Settings.load(profile=profile)
    stored = credentials.read_stored_key(settings)
    return None if stored.key is None else stored.key.reveal()


def delete_stored_api_key(*, profile: str | None = None) -> bool:
    """Delete the key that is stored for this profile; it stays valid at the service.

    Returns:
        Whether there was one.

    Raises:
        CredentialStoreError: The store refused.
    """
    settings = Settings.load(profile=profile)
    return key_removal.delete_key(settings)


def explain(*, profile: str | None = None) -> KeyResolution:
    """Return every source of a key, in order, and which one gives it; keys are masked."""
    settings = Settings.load(profile=profile)
    return key_lookup.explain(settings)
