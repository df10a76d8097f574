"""Authenticate, refresh and check the quota, as flows for the blocking and the awaitable calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nimbus_sdk import errors
from nimbus_sdk.account import renewal
from nimbus_sdk.account.renewal import find_session_key
from nimbus_sdk.account.session_lookup import find_session, stored_session
from nimbus_sdk.account.session_record import SessionRecord, validity
from nimbus_sdk.config.keys import ApiKey, raise_if_invalid
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.storage import key_lookup, sealed
from nimbus_sdk.storage.key_lookup import FoundKey
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey


def authenticate_flow(settings: Settings, given: ParsedKey, *, offline_mode: bool) -> Flow[SessionRecord]:
    """Validate a key and store its session; offline, return the stored session."""
    paths = settings.paths
    if offline_mode or settings.offline:
        named = yield from run_blocking(
            lambda: key_lookup.find_key_without_store(settings, raise_if_invalid(given))
        )
        return (yield from run_blocking(lambda: find_session(paths, None if named is None else named.key)))
    key = raise_if_invalid(given)
    return (yield from renewal.with_found_key(settings, key, lambda found: _validate_flow(settings, found)))


def authenticate_from_storage_flow(settings: Settings) -> Flow[SessionRecord]:
    """Validate the stored key, whatever the environment says."""
    found = yield from run_blocking(lambda: key_lookup.find_stored_key(settings))
    return (yield from _validate_flow(settings, found))


def refresh_flow(settings: Settings) -> Flow[SessionRecord]:
    """Refresh the session; simultaneous callers share one request."""
    paths = settings.paths
    asked_at = datetime.now(UTC)
    lock = Lock(paths.lock)
    try:
        yield from renewal.acquire_lock(lock, timeout=settings.timeout)
        named = yield from run_blocking(lambda: key_lookup.find_key_without_store(settings))
        key = None if named is None else named.key
        before = yield from run_blocking(lambda: _session_of_this_service(settings, key))
        # After a clock was set back, every earlier response seems to be of the future.
        if before is not None and asked_at < before.validated_at <= datetime.now(UTC):
            return before
        found = yield from run_blocking(lambda: key_lookup.find_key(settings))
        if before is None or before.key_fingerprint != found.key.fingerprint:
            return (yield from _validate_flow(settings, found))
        session = yield from renewal.refresh_session(settings, found.key, before)
        return (yield from run_blocking(lambda: renewal.store_session(settings, found, session)))
    finally:
        lock.release()


def check_quota_flow(settings: Settings) -> Flow[bool]:
    """Return whether inferences are left; ask the service if the session cannot know."""
    paths = settings.paths
    named = yield from run_blocking(lambda: key_lookup.find_key_without_store(settings))
    key = None if named is None else named.key
    session = yield from run_blocking(lambda: _session_for(paths, key))
    if not (yield from run_blocking(lambda: _is_fresh(paths, session))) or session.usage_quota == 0:
        session = yield from _refresh_if_possible(settings, session)
        if session.stale:
            # The stored session is used instead of a response only while it is valid.
            yield from run_blocking(lambda: find_session(paths, key))
    return session.usage_quota is None or session.usage_quota > 0


def _session_of_this_service(settings: Settings, key: ApiKey | None) -> SessionRecord | None:
    """Return the stored session for a key, or the profile's, if this service confirmed it."""
    session = stored_session(settings.paths, key)
    if session is None or session.api_origin != origin(settings.api_url):
        return None
    return session if key is None or session.key_fingerprint == key.fingerprint else None


def _is_fresh(paths: Paths, session: SessionRecord) -> bool:
    """Whether a session is young, the clock has not been set back, and its key was not rejected."""
    seen = sealed.read_last_seen(paths)
    latest = None if seen is None else datetime.fromtimestamp(seen, UTC)
    rejected = sealed.has_rejection(paths, session.key_fingerprint, session.api_origin)
    return not rejected and validity(session, datetime.now(UTC), latest) == "fresh"


def _session_for(paths: Paths, key: ApiKey | None) -> SessionRecord:
    session = stored_session(paths, key)
    if session is None or (key is not None and key.fingerprint != session.key_fingerprint):
        # Raises the reason why there is none for this key.
        return find_session(paths, key)
    return session


def _refresh_if_possible(settings: Settings, session: SessionRecord) -> Flow[SessionRecord]:
    try:
        found = yield from run_blocking(lambda: find_session_key(session))
    except (errors.MissingKeyError, errors.CredentialStoreError) as error:
        return renewal.use_stale(session, error)
    return (yield from renewal.refresh_or_use_stale(settings, found, session))


def _validate_flow(settings: Settings, found: FoundKey) -> Flow[SessionRecord]:
    try:
        session = yield from renewal.validate_key(settings, found.key)
    except errors.NimbusError as error:
        if not renewal.is_unavailable(error):
            raise
        cached = yield from run_blocking(lambda: _cached(settings, found.key))
        if cached is None:
            raise
        return renewal.use_stale(cached, error)
    return (yield from run_blocking(lambda: renewal.store_session(settings, found, session)))


def _cached(settings: Settings, key: ApiKey) -> SessionRecord | None:
    try:
        session = find_session(settings.paths, key)
    except errors.SessionError:
        return None
    # Another service's session says nothing about this one.
    return session if session.api_origin == origin(settings.api_url) else None
