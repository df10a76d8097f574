"""Refresh a session: its quota, features and expiry, from the service."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from nimbus_sdk import errors
from nimbus_sdk.account.home_lock import acquire_lock
from nimbus_sdk.account.rejected_keys import require_accepted
from nimbus_sdk.account.session_lookup import stored_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.account.session_store import store_session
from nimbus_sdk.account.validation import is_unavailable, make_session, use_stale, validate_and_store
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.storage.key_lookup import FoundKey, find_key, find_key_without_store, no_prompt
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, run_blocking

CACHED_TIMEOUT_SECONDS = 2.5
"""Timeout for a refresh that can fall back to the stored session, so that the call ends within 3 s."""

BRIEF_WAIT_SECONDS = 1.0
"""How much of that such a refresh may wait for other processes."""


def refresh_flow(settings: Settings) -> Flow[SessionRecord]:
    """Refresh the session; simultaneous callers share one request."""
    asked_at = datetime.now(UTC)
    lock = Lock(settings.paths.lock)
    try:
        yield from acquire_lock(lock, timeout=settings.timeout)
        key = yield from run_blocking(lambda: find_key_without_store(settings))
        before = yield from run_blocking(lambda: _session_of_this_service(settings, key))
        # After a clock was set back, every earlier response seems to be of the future.
        if before is not None and asked_at < before.validated_at <= datetime.now(UTC):
            return before
        found = yield from run_blocking(lambda: find_key(settings))
        if before is None or before.key_fingerprint != found.key.fingerprint:
            return (yield from validate_and_store(settings, found))
        session = yield from refresh_session(settings, found.key, before)
        return (yield from run_blocking(lambda: store_session(settings, found, session)))
    finally:
        lock.release()


def refresh_session(
    settings: Settings, key: ApiKey, before: SessionRecord, timeout: float | None = None
) -> Flow[SessionRecord]:
    """Refresh a session's quota, features and expiry: one request; user fields stay."""
    from nimbus_sdk.api import endpoints

    asked = endpoints.refresh(settings.api_url, key, timeout)
    entitlement, answer = yield from require_accepted(settings, key, asked)
    return make_session(settings, key, entitlement, answer, before)


def refresh_or_use_stale(
    settings: Settings, found: FoundKey, before: SessionRecord, timeout: float = CACHED_TIMEOUT_SECONDS
) -> Flow[SessionRecord]:
    """Refresh and store a session; if the service is unavailable, return the session as it is, stale.

    A quota that is used up proves that the key is valid: its session is returned with nothing left.
    """
    try:
        session = yield from refresh_session(settings, found.key, before, timeout)
    except errors.QuotaExceededError as error:
        return use_stale(replace(before, usage_quota=0), error)
    except errors.NimbusError as error:
        if not is_unavailable(error):
            raise
        return use_stale(before, error)
    return (yield from run_blocking(lambda: store_session(settings, found, session)))


def find_session_key(session: SessionRecord) -> FoundKey:
    """Return the key of a session, from where keys are stored, without a prompt."""
    settings = Settings.load(profile=session.profile)
    found = find_key(settings, prompt=no_prompt)
    if found.key.fingerprint != session.key_fingerprint:
        raise errors.MissingKeyError(
            f"The key of this session ({session.key_masked}) was not found: "
            f"{found.source} has {found.key.masked}."
        )
    return found


def _session_of_this_service(settings: Settings, key: ApiKey | None) -> SessionRecord | None:
    """Return the stored session for a key, or the profile's, if this service confirmed it."""
    session = stored_session(settings.paths, key)
    if session is None or session.api_origin != origin(settings.api_url):
        return None
    return session if key is None or session.key_fingerprint == key.fingerprint else None
