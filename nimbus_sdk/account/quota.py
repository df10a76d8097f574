"""The month's quota: as the session knows it, or as the service says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from nimbus_sdk import errors
from nimbus_sdk.account.refresh import find_session_key, refresh_flow, refresh_or_use_stale
from nimbus_sdk.account.session import AuthSession, as_session_flow, current_session
from nimbus_sdk.account.session_lookup import find_session, stored_session
from nimbus_sdk.account.session_record import SessionRecord, validity
from nimbus_sdk.account.validation import use_stale
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import key_lookup, sealed
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The month's quota as of the session; None means unlimited.

    Attributes:
        remaining: Inferences left this month.
        monthly_limit: Inferences a month.
        usage_percentage: Share used, in percent of the limit; 0 for unlimited.
    """

    remaining: int | None
    monthly_limit: int | None
    usage_percentage: float

    def _repr_html_(self) -> str:
        from nimbus_sdk.account.session_record import format_quota
        from nimbus_sdk.display.tables import fields_html

        left, limit = format_quota(self.remaining), format_quota(self.monthly_limit)
        rows = [("left this month", left), ("monthly limit", limit), ("used", f"{self.usage_percentage:g} %")]
        return fields_html("Nimbus quota", rows)


def _refresh_quota(*, profile: str | None = None, timeout: float | None = None) -> Prepared[AuthSession]:
    """Ask the service for the current quota, features and expiry, and store them.

    Raises:
        NimbusConnectionError: The service cannot be reached; the stored session stays as it is.
        InvalidKeyError: The service rejected the key; its session is removed.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return settings, as_session_flow(refresh_flow(settings))


refresh_quota, refresh_quota_async = make_pair(_refresh_quota)


def _check_quota_and_refresh(*, profile: str | None = None) -> Prepared[bool]:
    """Return whether inferences are left this month; ask the service if the session is over an hour old.

    Raises:
        SessionNotFoundError: There is no session.
    """
    settings = Settings.load(profile=profile)
    return settings, _check_quota(settings)


check_quota_and_refresh, check_quota_and_refresh_async = make_pair(_check_quota_and_refresh)


def get_quota_status(*, profile: str | None = None) -> QuotaStatus:
    """Return the month's quota as of the stored session, without network.

    Raises:
        SessionError: There is no valid session.
    """
    session = current_session(profile=profile)
    limit, left = session.usage_quota_max, session.usage_quota
    # More may be left than the limit: after a change of tier, or if the service grants more.
    used = 0.0 if limit in (None, 0) or left is None else max(0.0, 100.0 * (1 - left / limit))
    return QuotaStatus(left, limit, round(used, 2))


def _check_quota(settings: Settings) -> Flow[bool]:
    """Return whether inferences are left; ask the service if the session cannot know."""
    paths = settings.paths
    key = yield from run_blocking(lambda: key_lookup.find_key_without_store(settings))
    session = yield from run_blocking(lambda: _session_for(paths, key))
    if not (yield from run_blocking(lambda: _is_fresh(paths, session))) or session.usage_quota == 0:
        session = yield from _refresh_if_possible(settings, session)
        if session.stale:
            # The stored session is used instead of a response only while it is valid.
            yield from run_blocking(lambda: find_session(paths, key))
    return session.usage_quota is None or session.usage_quota > 0


def _session_for(paths: Paths, key: ApiKey | None) -> SessionRecord:
    session = stored_session(paths, key)
    if session is None or (key is not None and key.fingerprint != session.key_fingerprint):
        # Raises the reason why there is none for this key.
        return find_session(paths, key)
    return session


def _is_fresh(paths: Paths, session: SessionRecord) -> bool:
    """Whether a session is young, the clock has not been set back, and its key was not rejected."""
    seen = sealed.read_last_seen(paths)
    latest = None if seen is None else datetime.fromtimestamp(seen, UTC)
    rejected = sealed.has_rejection(paths, session.key_fingerprint, session.api_origin)
    return not rejected and validity(session, datetime.now(UTC), latest) == "fresh"


def _refresh_if_possible(settings: Settings, session: SessionRecord) -> Flow[SessionRecord]:
    try:
        found = yield from run_blocking(lambda: find_session_key(session))
    except (errors.MissingKeyError, errors.CredentialStoreError) as error:
        return use_stale(session, error)
    return (yield from refresh_or_use_stale(settings, found, session))
