"""``authenticate``: validate a key and store its session, or offline, return the stored one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nimbus_sdk.account.session import AuthSession, as_session_flow
from nimbus_sdk.account.session_lookup import find_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.account.validation import validate_and_store, with_found_key
from nimbus_sdk.config.keys import parse_key, raise_if_invalid
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import key_lookup
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey


def _authenticate(
    api_key: str | None = None,
    *,
    offline_mode: bool = False,
    profile: str | None = None,
    timeout: float | None = None,
) -> Prepared[AuthSession]:
    """Validate a key and store its session (and the key, if it was given here).

    Args:
        api_key: The key; from the environment, ``.env``, the store or a prompt if omitted.
        offline_mode: True: return the stored session of the key, without network.
        profile: Which account.
        timeout: Seconds for the whole call, retries included.

    Returns:
        The session; ``stale`` if the service could not be reached and the stored session is still valid.

    Raises:
        InvalidKeyError: The service rejected the key; its session is removed.
        SessionNotFoundError: Offline, and no session is stored for the key.
        NimbusConnectionError: The service cannot be reached, and no session is stored for the key.
    """
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    return settings, as_session_flow(authenticate_flow(settings, given, offline_mode=offline_mode))


authenticate, authenticate_async = make_pair(_authenticate)


def _authenticate_from_storage(
    *, profile: str | None = None, timeout: float | None = None
) -> Prepared[AuthSession]:
    """Validate the stored key, whatever ``NIMBUS_API_KEY`` says.

    Raises:
        MissingKeyError: No key is stored.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return settings, as_session_flow(authenticate_from_storage_flow(settings))


authenticate_from_storage, authenticate_from_storage_async = make_pair(_authenticate_from_storage)


def authenticate_flow(settings: Settings, given: ParsedKey, *, offline_mode: bool) -> Flow[SessionRecord]:
    """Validate a key and store its session; offline, return the stored session."""
    key = raise_if_invalid(given)
    if offline_mode or settings.offline:
        known = yield from run_blocking(lambda: key_lookup.find_key_without_store(settings, key))
        return (yield from run_blocking(lambda: find_session(settings.paths, known)))
    return (yield from with_found_key(settings, key, lambda found: validate_and_store(settings, found)))


def authenticate_from_storage_flow(settings: Settings) -> Flow[SessionRecord]:
    """Validate the stored key, whatever the environment says."""
    found = yield from run_blocking(lambda: key_lookup.find_stored_key(settings))
    return (yield from validate_and_store(settings, found))
