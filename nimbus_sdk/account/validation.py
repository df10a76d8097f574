"""Ask the service whether a key is valid, and decide what counts if it cannot say."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk import errors
from nimbus_sdk.account.rejected_keys import require_accepted
from nimbus_sdk.account.session_lookup import find_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.account.session_store import store_session
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.storage.key_lookup import PROMPT_ATTEMPTS, FoundKey, find_key, key_prompt
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from nimbus_sdk.api.schemas import Entitlement
    from nimbus_sdk.transport.flow import Response

T = TypeVar("T")
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


def validate_and_store(settings: Settings, found: FoundKey) -> Flow[SessionRecord]:
    """Validate a key and store its session; if the service is unavailable, return the stored one, stale."""
    try:
        session = yield from validate_key(settings, found.key)
    except errors.NimbusError as error:
        if not is_unavailable(error):
            raise
        cached = yield from run_blocking(lambda: _cached(settings, found.key))
        if cached is None:
            raise
        return use_stale(cached, error)
    return (yield from run_blocking(lambda: store_session(settings, found, session)))


def validate_key(settings: Settings, key: ApiKey) -> Flow[SessionRecord]:
    """Validate a key: one request, and a session that is not stored yet."""
    from nimbus_sdk.api import endpoints

    asked = endpoints.validate(settings.api_url, key)
    entitlement, answer = yield from require_accepted(settings, key, asked)
    return make_session(settings, key, entitlement, answer, entitlement)


def make_session(
    settings: Settings,
    key: ApiKey,
    entitlement: Entitlement,
    answer: Response,
    holder: Entitlement | SessionRecord,
) -> SessionRecord:
    """Return the session that an answer of the service makes; its user is that of ``holder``."""
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


def _cached(settings: Settings, key: ApiKey) -> SessionRecord | None:
    try:
        session = find_session(settings.paths, key)
    except errors.SessionError:
        return None
    # Another service's session says nothing about this one.
    return session if session.api_origin == origin(settings.api_url) else None
