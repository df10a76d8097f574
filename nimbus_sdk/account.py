"""The account: authenticate, refresh, quota; each story once, as a flow, with two faces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nimbus_sdk import licensing
from nimbus_sdk.errors import (
    CredentialStoreError,
    MissingKeyError,
    NimbusError,
    SessionError,
)
from nimbus_sdk.keys import ApiKey, accepted, received
from nimbus_sdk.session import AuthSession, key_of, standing
from nimbus_sdk.session_in_use import current_session, forget_memory, kept_session, session_of
from nimbus_sdk.settings import Settings, origin
from nimbus_sdk.store import credentials, key_sources, sessions
from nimbus_sdk.store.files import Lock
from nimbus_sdk.store.key_sources import Found
from nimbus_sdk.store.places import Places
from nimbus_sdk.transport.drive import run, run_async
from nimbus_sdk.transport.flow import Flow, work

if TYPE_CHECKING:
    from nimbus_sdk.keys import Given


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The month's quota as the session knows it; None means unlimited.

    Attributes:
        remaining: Inferences left this month.
        monthly_limit: Inferences a month.
        usage_percentage: Share used, in percent of the limit; 0 for unlimited.
    """

    remaining: int | None
    monthly_limit: int | None
    usage_percentage: float


def authenticating(settings: Settings, given: Given, *, offline_mode: bool) -> Flow[AuthSession]:
    """Validate a key and keep its session; offline, the session that is kept for it."""
    places = Places.of(settings)
    if offline_mode or settings.offline:
        named = yield from work(lambda: key_sources.cheap_key(settings, accepted(given)))
        return (yield from work(lambda: session_of(places, None if named is None else named.key)))
    found = yield from work(lambda: key_sources.find_key(settings, places, accepted(given)))
    return (yield from _validating(settings, places, found))


def authenticating_from_storage(settings: Settings) -> Flow[AuthSession]:
    """Validate the stored key, whatever the environment says."""
    places = Places.of(settings)
    found = yield from work(lambda: _stored(settings, places))
    return (yield from _validating(settings, places, found))


def refreshing(settings: Settings) -> Flow[AuthSession]:
    """Renew the session; callers that come together share one request."""
    places = Places.of(settings)
    asked_at = datetime.now(UTC)
    lock = Lock(places.lock)
    try:
        yield from licensing.locked(lock, patience=settings.timeout)
        before = yield from work(lambda: _kept_by(settings, places))
        # A clock that was set back shows every earlier answer as one of the future.
        if before is not None and asked_at < before.validated_at <= datetime.now(UTC):
            return before
        found = yield from work(lambda: key_sources.find_key(settings, places))
        if before is None or before.key_fingerprint != found.key.fingerprint:
            return (yield from _validating(settings, places, found))
        session = yield from licensing.renewed(settings, places, found.key, before)
        return (yield from work(lambda: licensing.keep(settings, places, found, session)))
    finally:
        lock.release()


def checking_quota(settings: Settings) -> Flow[bool]:
    """Whether inferences are left, asking the service where the session cannot know."""
    places = Places.of(settings)
    named = yield from work(lambda: key_sources.cheap_key(settings))
    key = None if named is None else named.key
    session = yield from work(lambda: _kept_for(places, key))
    if not (yield from work(lambda: _fresh(places, session))) or session.usage_quota == 0:
        session = yield from _renewed_if_possible(settings, places, session)
        if session.stale:
            # What is kept stands in for the answer only while it may be used.
            yield from work(lambda: session_of(places, key))
    return session.usage_quota is None or session.usage_quota > 0


def _kept_by(settings: Settings, places: Places) -> AuthSession | None:
    """The kept session, if it is this service that has said so."""
    session = kept_session(places)
    return session if session is not None and session.api_origin == origin(settings.api_url) else None


def _fresh(places: Places, session: AuthSession) -> bool:
    """Whether a kept session is young, the clock has not been set back, and its key was not called dead."""
    seen = sessions.last_seen(places)
    latest = None if seen is None else datetime.fromtimestamp(seen, UTC)
    dead = sessions.stamp(places.refusal(session.key_fingerprint, session.api_origin)) is not None
    return not dead and standing(session, datetime.now(UTC), latest) == "fresh"


def _kept_for(places: Places, key: ApiKey | None) -> AuthSession:
    session = kept_session(places)
    if session is None or (key is not None and key.fingerprint != session.key_fingerprint):
        # Tells why there is none for this key.
        return session_of(places, key)
    return session


def _renewed_if_possible(settings: Settings, places: Places, session: AuthSession) -> Flow[AuthSession]:
    try:
        found = yield from work(lambda: key_of(session))
    except (MissingKeyError, CredentialStoreError) as error:
        return licensing.served_stale(session, error)
    return (yield from licensing.renewed_or_stale(settings, places, found, session))


def _validating(settings: Settings, places: Places, found: Found) -> Flow[AuthSession]:
    try:
        session = yield from licensing.confirmed(settings, places, found.key)
    except NimbusError as error:
        if not licensing.is_no_answer(error):
            raise
        cached = yield from work(lambda: _cached(settings, places, found.key))
        if cached is None:
            raise
        return licensing.served_stale(cached, error)
    return (yield from work(lambda: licensing.keep(settings, places, found, session)))


def _stored(settings: Settings, places: Places) -> Found:
    stored = credentials.read_stored(settings, places)
    if stored.key is None:
        raise MissingKeyError(f"No key is stored for profile {settings.profile}. {stored.trouble}".rstrip())
    withheld = stored.withheld_from(settings.api_url)
    if withheld is not None:
        raise MissingKeyError(f"The stored key {stored.key.masked} was not used: {withheld}.")
    return Found(stored.key, "store", stored.location, store=stored.store)


def _cached(settings: Settings, places: Places, key: ApiKey) -> AuthSession | None:
    try:
        session = session_of(places, key)
    except SessionError:
        return None
    # What another service said of the key is no word of this one.
    return session if session.api_origin == origin(settings.api_url) else None


def authenticate(
    api_key: str | None = None,
    *,
    offline_mode: bool = False,
    profile: str | None = None,
    timeout: float | None = None,
) -> AuthSession:
    """Validate a key and keep its session (and the key, where it was given here).

    Args:
        api_key: The key; from the environment, ``.env``, the store or a prompt where left out.
        offline_mode: True: the session that is kept for the key, with no network.
        profile: Which account.
        timeout: Seconds for the whole call, retries included.

    Returns:
        The session; ``stale`` where the service could not be reached and what it said before still counts.

    Raises:
        InvalidKeyError: The service does not know the key; what was kept for it is gone.
        SessionNotFoundError: Offline, and nothing is kept for the key.
        NimbusConnectionError: The service cannot be reached, and nothing is kept for the key.
    """
    given, api_key = received(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    return run(settings, authenticating(settings, given, offline_mode=offline_mode))


async def authenticate_async(
    api_key: str | None = None,
    *,
    offline_mode: bool = False,
    profile: str | None = None,
    timeout: float | None = None,
) -> AuthSession:
    """The awaitable twin of :func:`authenticate`."""
    given, api_key = received(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    return await run_async(settings, authenticating(settings, given, offline_mode=offline_mode))


def authenticate_from_storage(*, profile: str | None = None, timeout: float | None = None) -> AuthSession:
    """Validate the stored key, whatever ``NIMBUS_API_KEY`` says.

    Raises:
        MissingKeyError: No key is stored.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return run(settings, authenticating_from_storage(settings))


async def authenticate_from_storage_async(
    *, profile: str | None = None, timeout: float | None = None
) -> AuthSession:
    """The awaitable twin of :func:`authenticate_from_storage`."""
    settings = Settings.load(profile=profile, timeout=timeout)
    return await run_async(settings, authenticating_from_storage(settings))


async def current_session_async(*, profile: str | None = None) -> AuthSession:
    """The awaitable twin of :func:`nimbus_sdk.current_session`."""
    settings = Settings.load(profile=profile)
    return await run_async(settings, work(lambda: current_session(profile=profile)))


def invalidate_session(*, profile: str | None = None) -> None:
    """Forget the kept session; the key and the core stay.

    Raises:
        SessionError: The file is there and cannot be removed.
    """
    sessions.forget(Places.of(Settings.load(profile=profile)))
    forget_memory()


async def invalidate_session_async(*, profile: str | None = None) -> None:
    """The awaitable twin of :func:`invalidate_session`."""
    settings = Settings.load(profile=profile)
    return await run_async(settings, work(lambda: invalidate_session(profile=profile)))


def refresh_quota(*, profile: str | None = None, timeout: float | None = None) -> AuthSession:
    """Ask the service for the current quota, features and expiry, and keep them.

    Raises:
        NimbusConnectionError: The service cannot be reached; what is kept stays as it is.
        InvalidKeyError: The key is dead; what was kept for it is gone.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return run(settings, refreshing(settings))


async def refresh_quota_async(*, profile: str | None = None, timeout: float | None = None) -> AuthSession:
    """The awaitable twin of :func:`refresh_quota`."""
    settings = Settings.load(profile=profile, timeout=timeout)
    return await run_async(settings, refreshing(settings))


def check_quota_and_refresh(*, profile: str | None = None) -> bool:
    """Whether inferences are left this month; asks the service where the kept session is over an hour old.

    Raises:
        SessionNotFoundError: There is no session.
    """
    settings = Settings.load(profile=profile)
    return run(settings, checking_quota(settings))


async def check_quota_and_refresh_async(*, profile: str | None = None) -> bool:
    """The awaitable twin of :func:`check_quota_and_refresh`."""
    settings = Settings.load(profile=profile)
    return await run_async(settings, checking_quota(settings))


def get_quota_status(*, profile: str | None = None) -> QuotaStatus:
    """The month's quota as the kept session knows it; no network.

    Raises:
        SessionError: There is no session that may be used.
    """
    session = current_session(profile=profile)
    limit, left = session.usage_quota_max, session.usage_quota
    # More may be left than the limit says: after a change of tier, or by the service's grace.
    used = 0.0 if limit in (None, 0) or left is None else max(0.0, 100.0 * (1 - left / limit))
    return QuotaStatus(left, limit, round(used, 2))


async def get_quota_status_async(*, profile: str | None = None) -> QuotaStatus:
    """The awaitable twin of :func:`get_quota_status`."""
    return await run_async(Settings.load(profile=profile), work(lambda: get_quota_status(profile=profile)))
