"""The account's calls: authenticate, refresh and quota, each blocking and awaitable."""

from __future__ import annotations

from dataclasses import dataclass

from nimbus_sdk.account.flows import (
    authenticate_flow,
    authenticate_from_storage_flow,
    check_quota_flow,
    refresh_flow,
)
from nimbus_sdk.account.session import AuthSession, as_session, current_session
from nimbus_sdk.account.session_cache import clear_cache
from nimbus_sdk.config.keys import parse_key
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import sealed
from nimbus_sdk.transport.driver import run, run_async
from nimbus_sdk.transport.flow import run_blocking


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


def authenticate(
    api_key: str | None = None,
    *,
    offline_mode: bool = False,
    profile: str | None = None,
    timeout: float | None = None,
) -> AuthSession:
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
    return as_session(run(settings, authenticate_flow(settings, given, offline_mode=offline_mode)))


async def authenticate_async(
    api_key: str | None = None,
    *,
    offline_mode: bool = False,
    profile: str | None = None,
    timeout: float | None = None,
) -> AuthSession:
    """The awaitable twin of :func:`authenticate`."""
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    return as_session(
        await run_async(settings, authenticate_flow(settings, given, offline_mode=offline_mode))
    )


def authenticate_from_storage(*, profile: str | None = None, timeout: float | None = None) -> AuthSession:
    """Validate the stored key, whatever ``NIMBUS_API_KEY`` says.

    Raises:
        MissingKeyError: No key is stored.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return as_session(run(settings, authenticate_from_storage_flow(settings)))


async def authenticate_from_storage_async(
    *, profile: str | None = None, timeout: float | None = None
) -> AuthSession:
    """The awaitable twin of :func:`authenticate_from_storage`."""
    settings = Settings.load(profile=profile, timeout=timeout)
    return as_session(await run_async(settings, authenticate_from_storage_flow(settings)))


async def current_session_async(*, profile: str | None = None) -> AuthSession:
    """The awaitable twin of :func:`nimbus_sdk.current_session`."""
    settings = Settings.load(profile=profile)
    return await run_async(settings, run_blocking(lambda: current_session(profile=profile)))


def invalidate_session(*, profile: str | None = None) -> None:
    """Remove the stored session; the key and the core stay.

    Raises:
        SessionError: The file exists and cannot be removed.
    """
    sealed.remove(Settings.load(profile=profile).paths)
    clear_cache()


async def invalidate_session_async(*, profile: str | None = None) -> None:
    """The awaitable twin of :func:`invalidate_session`."""
    settings = Settings.load(profile=profile)
    return await run_async(settings, run_blocking(lambda: invalidate_session(profile=profile)))


def refresh_quota(*, profile: str | None = None, timeout: float | None = None) -> AuthSession:
    """Ask the service for the current quota, features and expiry, and store them.

    Raises:
        NimbusConnectionError: The service cannot be reached; the stored session stays as it is.
        InvalidKeyError: The service rejected the key; its session is removed.
    """
    settings = Settings.load(profile=profile, timeout=timeout)
    return as_session(run(settings, refresh_flow(settings)))


async def refresh_quota_async(*, profile: str | None = None, timeout: float | None = None) -> AuthSession:
    """The awaitable twin of :func:`refresh_quota`."""
    settings = Settings.load(profile=profile, timeout=timeout)
    return as_session(await run_async(settings, refresh_flow(settings)))


def check_quota_and_refresh(*, profile: str | None = None) -> bool:
    """Return whether inferences are left this month; ask the service if the session is over an hour old.

    Raises:
        SessionNotFoundError: There is no session.
    """
    settings = Settings.load(profile=profile)
    return run(settings, check_quota_flow(settings))


async def check_quota_and_refresh_async(*, profile: str | None = None) -> bool:
    """The awaitable twin of :func:`check_quota_and_refresh`."""
    settings = Settings.load(profile=profile)
    return await run_async(settings, check_quota_flow(settings))


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


async def get_quota_status_async(*, profile: str | None = None) -> QuotaStatus:
    """The awaitable twin of :func:`get_quota_status`."""
    return await run_async(
        Settings.load(profile=profile), run_blocking(lambda: get_quota_status(profile=profile))
    )
