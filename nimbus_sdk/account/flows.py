"""Authenticate, refresh and check the quota: each flow once, for the blocking and the awaitable calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nimbus_sdk.account import renewal
from nimbus_sdk.account.record import SessionRecord, standing
from nimbus_sdk.account.renewal import key_of
from nimbus_sdk.account.session_cache import kept_session, session_of
from nimbus_sdk.config.keys import ApiKey, accepted
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import (
    CredentialStoreError,
    MissingKeyError,
    NimbusError,
    SessionError,
)
from nimbus_sdk.storage import credentials, key_lookup, sealed
from nimbus_sdk.storage.key_lookup import Found
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, work

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import Given


def authenticating(settings: Settings, given: Given, *, offline_mode: bool) -> Flow[SessionRecord]:
    """Validate a key and keep its session; offline, the session that is kept for it."""
    paths = settings.paths
    if offline_mode or settings.offline:
        named = yield from work(lambda: key_lookup.cheap_key(settings, accepted(given)))
        return (yield from work(lambda: session_of(paths, None if named is None else named.key)))
    found = yield from work(lambda: key_lookup.find_key(settings, accepted(given)))
    return (yield from _validating(settings, found))


def authenticating_from_storage(settings: Settings) -> Flow[SessionRecord]:
    """Validate the stored key, whatever the environment says."""
    found = yield from work(lambda: _stored(settings))
    return (yield from _validating(settings, found))


def refreshing(settings: Settings) -> Flow[SessionRecord]:
    """Renew the session; callers that come together share one request."""
    paths = settings.paths
    asked_at = datetime.now(UTC)
    lock = Lock(paths.lock)
    try:
        yield from renewal.locked(lock, patience=settings.timeout)
        before = yield from work(lambda: _kept_by(settings))
        # A clock that was set back shows every earlier answer as one of the future.
        if before is not None and asked_at < before.validated_at <= datetime.now(UTC):
            return before
        found = yield from work(lambda: key_lookup.find_key(settings))
        if before is None or before.key_fingerprint != found.key.fingerprint:
            return (yield from _validating(settings, found))
        session = yield from renewal.renewed(settings, found.key, before)
        return (yield from work(lambda: renewal.keep(settings, found, session)))
    finally:
        lock.release()


def checking_quota(settings: Settings) -> Flow[bool]:
    """Whether inferences are left, asking the service where the session cannot know."""
    paths = settings.paths
    named = yield from work(lambda: key_lookup.cheap_key(settings))
    key = None if named is None else named.key
    session = yield from work(lambda: _kept_for(paths, key))
    if not (yield from work(lambda: _fresh(paths, session))) or session.usage_quota == 0:
        session = yield from _renewed_if_possible(settings, session)
        if session.stale:
            # What is kept stands in for the answer only while it may be used.
            yield from work(lambda: session_of(paths, key))
    return session.usage_quota is None or session.usage_quota > 0


def _kept_by(settings: Settings) -> SessionRecord | None:
    """The kept session, if it is this service that has said so."""
    session = kept_session(settings.paths)
    return session if session is not None and session.api_origin == origin(settings.api_url) else None


def _fresh(paths: Paths, session: SessionRecord) -> bool:
    """Whether a kept session is young, the clock has not been set back, and its key was not called dead."""
    seen = sealed.last_seen(paths)
    latest = None if seen is None else datetime.fromtimestamp(seen, UTC)
    dead = sealed.stamp(paths.refusal(session.key_fingerprint, session.api_origin)) is not None
    return not dead and standing(session, datetime.now(UTC), latest) == "fresh"


def _kept_for(paths: Paths, key: ApiKey | None) -> SessionRecord:
    session = kept_session(paths)
    if session is None or (key is not None and key.fingerprint != session.key_fingerprint):
        # Tells why there is none for this key.
        return session_of(paths, key)
    return session


def _renewed_if_possible(settings: Settings, session: SessionRecord) -> Flow[SessionRecord]:
    try:
        found = yield from work(lambda: key_of(session))
    except (MissingKeyError, CredentialStoreError) as error:
        return renewal.served_stale(session, error)
    return (yield from renewal.renewed_or_stale(settings, found, session))


def _validating(settings: Settings, found: Found) -> Flow[SessionRecord]:
    try:
        session = yield from renewal.confirmed(settings, found.key)
    except NimbusError as error:
        if not renewal.is_no_answer(error):
            raise
        cached = yield from work(lambda: _cached(settings, found.key))
        if cached is None:
            raise
        return renewal.served_stale(cached, error)
    return (yield from work(lambda: renewal.keep(settings, found, session)))


def _stored(settings: Settings) -> Found:
    stored = credentials.read_stored(settings)
    if stored.key is None:
        raise MissingKeyError(f"No key is stored for profile {settings.profile}. {stored.trouble}".rstrip())
    withheld = stored.withheld_from(settings.api_url)
    if withheld is not None:
        raise MissingKeyError(f"The stored key {stored.key.masked} was not used: {withheld}.")
    return Found(stored.key, "store", stored.location, store=stored.store)


def _cached(settings: Settings, key: ApiKey) -> SessionRecord | None:
    try:
        session = session_of(settings.paths, key)
    except SessionError:
        return None
    # What another service said of the key is no word of this one.
    return session if session.api_origin == origin(settings.api_url) else None
