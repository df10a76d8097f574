"""The functions of the account: authenticate, refresh and quota."""

from __future__ import annotations

from dataclasses import dataclass

from nimbus_sdk.account.flows import (
    authenticate_flow,
    authenticate_from_storage_flow,
    check_quota_flow,
    refresh_flow,
)
from nimbus_sdk.account.session import AuthSession, as_session, current_session
from nimbus_sdk.account.session_lookup import clear_cache
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import parse_key
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import sealed
from nimbus_sdk.transport.client import Prepared, make_pair
from nimbus_sdk.transport.flow import Flow


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


def _session_of(flow: Flow[SessionRecord]) -> Flow[AuthSession]:
    return as_session((yield from flow))


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
    return settings, _session_of(authenticate_flow(settings, given, offline_mode=offline_mode))


authenticate, authenticate_async = make_pair(_authenticate)


def _authenticate_from_storage(
    *, profile: str | None = None, timeout: float | None = None
) -> Prepared[AuthSession]:
    """Validate the stored key, whatever ``NIMBUS_API_KEY`` says.

    Raises:
        MissingKeyError: No key is stored.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return settings, _session_of(authenticate_from_storage_flow(settings))


authenticate_from_storage, authenticate_from_storage_async = make_pair(_authenticate_from_storage)


def invalidate_session(*, profile: str | None = None) -> None:
    """Remove the stored session; the key and the core stay.

    Raises:
        SessionError: The file exists and cannot be removed.
    """
    sealed.remove_all_sessions(Settings.load(profile=profile).paths)
    clear_cache()


def _refresh_quota(*, profile: str | None = None, timeout: float | None = None) -> Prepared[AuthSession]:
    """Ask the service for the current quota, features and expiry, and store them.

    Raises:
        NimbusConnectionError: The service cannot be reached; the stored session stays as it is.
        InvalidKeyError: The service rejected the key; its session is removed.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return settings, _session_of(refresh_flow(settings))


refresh_quota, refresh_quota_async = make_pair(_refresh_quota)


def _check_quota_and_refresh(*, profile: str | None = None) -> Prepared[bool]:
    """Return whether inferences are left this month; ask the service if the session is over an hour old.

    Raises:
        SessionNotFoundError: There is no session.
    """
    settings = Settings.load(profile=profile)
    return settings, check_quota_flow(settings)


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
