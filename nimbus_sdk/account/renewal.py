"""Validating a key, refreshing and storing its session.

The flows of installing and of the account share these steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk import errors
from nimbus_sdk.account.rejected_keys import record_rejection, require_accepted, require_not_rejected
from nimbus_sdk.account.session_lookup import clear_cache, own_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.storage import sealed
from nimbus_sdk.storage.credentials import read_stored_key, save_key, withdraw_key
from nimbus_sdk.storage.key_lookup import PROMPT_ATTEMPTS, FoundKey, find_key, key_prompt, no_prompt
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.storage.key_removal import delete_key
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, run_blocking, sleep_between

if TYPE_CHECKING:
    from pydantic import SecretStr

    from nimbus_sdk.api.schemas import Entitlement
    from nimbus_sdk.transport.flow import Response


T = TypeVar("T")

CACHED_TIMEOUT_SECONDS = 2.5
"""Timeout for a refresh that can fall back to the stored session, so that the call ends within 3 s."""

BRIEF_WAIT_SECONDS = 1.0
"""How much of that such a refresh may wait for other processes."""

LOCK_WAIT_SECONDS = 300.0
STORED_SOURCES = ("argument", "prompt", "bundle")
DOTENV = "dotenv"
_log = logging.getLogger("nimbus_sdk")


def with_found_key(settings: Settings, given: ApiKey | None, use: Callable[[FoundKey], Flow[T]]) -> Flow[T]:
    """Find the key and use it; if the service rejects one that was typed, ask again, up to three times."""
    rejections = [""]
    with key_prompt(settings) as ask:
        while True:
            found = yield from run_blocking(
                lambda: find_key(settings, given, prompt=lambda problem: ask(problem or rejections[-1]))
            )
            try:
                return (yield from use(found))
            except (errors.InvalidKeyError, errors.KeyExpiredError) as error:
                if found.source != "prompt" or len(rejections) == PROMPT_ATTEMPTS:
                    raise
                rejections.append(error.message)


def validate_key(settings: Settings, key: ApiKey) -> Flow[SessionRecord]:
    """Validate a key: one request, and a session that is not stored yet."""
    from nimbus_sdk.api import endpoints

    asked = endpoints.validate(settings.api_url, key)
    entitlement, answer = yield from require_accepted(settings, key, asked)
    return _session(settings, key, entitlement, answer, entitlement)


def refresh_session(
    settings: Settings, key: ApiKey, before: SessionRecord, timeout: float | None = None
) -> Flow[SessionRecord]:
    """Refresh a session's quota, features and expiry: one request; user fields stay."""
    from nimbus_sdk.api import endpoints

    asked = endpoints.refresh(settings.api_url, key, timeout)
    entitlement, answer = yield from require_accepted(settings, key, asked)
    return _session(settings, key, entitlement, answer, before)


def request_release_token(settings: Settings, key: ApiKey) -> Flow[SecretStr]:
    """Request the temporary token for the core's release; masked, in memory alone."""
    from nimbus_sdk.api import endpoints

    answer = yield from record_rejection(settings, key, endpoints.github_token(settings.api_url, key))
    return answer.github_token


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


def is_unavailable(error: errors.NimbusError) -> bool:
    """Whether the service said nothing about the key: not reached, failed, or something else answered.

    A ``ConfigurationError`` counts: with a proxy or certificate file that cannot be used, nothing is sent.
    """
    if isinstance(error, errors.ApiError):
        return isinstance(error, (errors.ServerError, errors.NotConfiguredError, errors.RateLimitError)) or (
            type(error) is errors.ApiError and not error.code
        )
    return isinstance(
        error, (errors.NimbusConnectionError, errors.ResponseFormatError, errors.ConfigurationError)
    )


def use_stale(session: SessionRecord, reason: errors.NimbusError) -> SessionRecord:
    """Return the stored session, marked as stale, instead of a response that did not come."""
    _log.warning(
        "The session of %s could not be refreshed and is used as it is: %s", session.key_masked, reason
    )
    return replace(session, stale=True)


def store_session(settings: Settings, found: FoundKey, session: SessionRecord) -> SessionRecord:
    """Store a session that the service has just confirmed, and its key if a person gave it.

    A key from elsewhere, such as the environment, is there again at the next start: if the disk refuses the
    session of such a key, that is logged and the call succeeds. The session that is returned names the place
    of its key.
    """
    with storing_key(settings, found, session) as session:
        try:
            write_session(settings.paths, session)
        except errors.SessionError as error:
            if found.source in STORED_SOURCES:
                raise
            _log.warning("The session of %s is used and was not stored: %s", session.key_masked, error)
    return session


def write_session(paths: Paths, session: SessionRecord) -> None:
    """Write a confirmed session, and the time at which it was confirmed as the latest time seen."""
    if is_stored_beside_own(paths, session):
        sealed.write_dotenv_session(paths, session.key_fingerprint, session.to_dict())
    else:
        if session.key_source == DOTENV and (own := _own_session(paths)) is not None:
            # The key has also come from elsewhere, and its session stays the profile's own.
            session = replace(session, key_source=own.key_source, key_source_reason=own.key_source_reason)
        sealed.write_session(paths, session.to_dict())
        sealed.remove_dotenv_session(paths, session.key_fingerprint)
    sealed.write_last_seen(paths, session.validated_at.timestamp())
    clear_cache()


def is_stored_beside_own(paths: Paths, session: SessionRecord) -> bool:
    """Whether a session is stored beside the profile's own, since its key came from a ``.env`` alone.

    A ``.env`` may come with a folder from a stranger, who may revoke the key that is in it.
    """
    # Read in any case, so that a session that somebody changed is set aside and not overwritten.
    own = _own_session(paths)
    is_own = own is not None and own.key_fingerprint == session.key_fingerprint
    return session.key_source == DOTENV and not is_own


def _own_session(paths: Paths) -> SessionRecord | None:
    try:
        return own_session(paths)
    except errors.SessionError:
        # What cannot be read is replaced.
        return None


@contextmanager
def storing_key(settings: Settings, found: FoundKey, session: SessionRecord) -> Iterator[SessionRecord]:
    """Store a key that a person gave and that was just validated; any other key stays where it is.

    The session that is yielded names the place of its key. If the block fails, the key that was stored before
    is restored.
    """
    require_not_rejected(
        settings.paths.rejection(session.key_fingerprint, session.api_origin), session.key_masked
    )
    if found.source not in STORED_SOURCES:
        yield replace(session, key_source=found.store or found.source)
        return
    restore = _prepare_restore(settings, found.key)
    stored = _store_key(settings, found.key, session)
    try:
        yield stored
    except errors.NimbusError:
        try:
            restore()
        except errors.CredentialStoreError as error:
            _log.warning("%s stays stored, although the rest failed: %s", found.key.masked, error)
        raise


def _store_key(settings: Settings, key: ApiKey, session: SessionRecord) -> SessionRecord:
    try:
        choice = save_key(settings, key, session.api_origin)
    except errors.CredentialStoreError:
        stored = read_stored_key(settings)
        if stored.key is None or stored.key.fingerprint != key.fingerprint:
            raise
        # The key is stored already, on a disk that is read-only by now.
        return replace(session, key_source=stored.store)
    return replace(session, key_source=choice.store.name, key_source_reason=choice.reason)


def _prepare_restore(settings: Settings, key: ApiKey) -> Callable[[], object]:
    """Return what restores the store's present state after a key was stored in it."""
    metadata = read_metadata(settings.paths)
    if metadata is None:
        return lambda: delete_key(settings, key.fingerprint)
    if metadata.fingerprint == key.fingerprint:
        return lambda: None
    try:
        before = read_stored_key(settings)
    except errors.CredentialStoreError:
        # A key that cannot be read stays where it is; the new one goes to the file.
        return lambda: withdraw_key(settings, key.fingerprint, metadata)
    if before.key is None:
        return lambda: delete_key(settings, key.fingerprint)
    previous = before.key
    return lambda: save_key(settings, previous, before.origin)


def acquire_lock(
    lock: Lock, waiting: Callable[[], None] | None = None, timeout: float | None = None
) -> Flow[None]:
    """Wait for a lock; where locks do not work, continue without one: only work would be done twice.

    Args:
        lock: Released by the caller.
        waiting: Called once if another process holds the lock.
        timeout: Seconds to wait at most; as long as an install may take if omitted.
    """
    longest = LOCK_WAIT_SECONDS if timeout is None else timeout
    try:
        yield from sleep_between(lock.retries(longest), waiting)
    except TimeoutError:
        raise errors.NimbusTimeoutError(
            f"Another process has been doing the same for {longest:.1f} s.",
            hint=f"Wait for it, or end it; it holds {lock.path}.",
        ) from None
    except OSError as error:
        _log.debug("No lock at %s (%s); continuing without it.", lock.path, error)


def _session(
    settings: Settings,
    key: ApiKey,
    entitlement: Entitlement,
    answer: Response,
    holder: Entitlement | SessionRecord,
) -> SessionRecord:
    return SessionRecord(
        key_fingerprint=key.fingerprint,
        key_masked=key.masked,
        user_id=holder.user_id,
        email=holder.email,
        name=holder.name,
        organization=holder.organization,
        license_type=entitlement.license_type,
        expires_at=entitlement.expires_at,
        features_enabled=frozenset(entitlement.features),
        usage_quota=entitlement.quota.remaining,
        usage_quota_max=entitlement.quota.monthly_limit,
        quota_reset_at=entitlement.quota.resets_at,
        validated_at=datetime.now(UTC),
        api_origin=origin(settings.api_url),
        clock_offset=answer.clock_offset,
        profile=settings.profile,
    )


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
