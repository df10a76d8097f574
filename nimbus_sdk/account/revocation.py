"""Revoking a key: the service first, then all that this machine keeps for it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nimbus_sdk.account import rejected_keys
from nimbus_sdk.config.keys import ApiKey, parse_key, raise_if_invalid
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CredentialStoreError, KeyNotFoundError, SessionError
from nimbus_sdk.storage import credentials, key_lookup
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.transport.driver import run, run_async
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey

NOT_FOUND = 404
_log = logging.getLogger("nimbus_sdk")


@dataclass(frozen=True, slots=True)
class RevocationResult:
    """What became of a key that was to be revoked."""

    revoked: bool
    message: str
    key_masked: str


def revoke_flow(settings: Settings, given: ParsedKey, reason: str | None) -> Flow[RevocationResult]:
    """Revoke a key for good, then clear what is cached and stored for it."""
    from nimbus_sdk.api import endpoints

    found = yield from run_blocking(lambda: key_lookup.find_key(settings, raise_if_invalid(given)))
    asked = endpoints.revoke(settings.api_url, found.key, reason)
    try:
        revocation = yield from rejected_keys.record_rejection(settings, found.key, asked)
    except KeyNotFoundError as error:
        # Revoked before, perhaps by a call whose answer was lost: nothing here may go on living.
        if error.status == NOT_FOUND:
            yield from run_blocking(lambda: _clear(settings, found.key))
        raise
    if revocation.revoked:
        yield from run_blocking(lambda: _clear(settings, found.key))
    return RevocationResult(revocation.revoked, revocation.message, found.key.masked)


def _clear(settings: Settings, key: ApiKey) -> None:
    """Clear what is kept for a key, by whatever profile; what the disk refuses is told in the log."""
    others = [other for other in settings.each_other_profile() if _is_noted(other.paths, key)]
    for owner in (settings, *others):
        for clear in (
            lambda owner=owner: rejected_keys.mark_rejected(owner, key, "REVOKED"),
            lambda owner=owner: credentials.delete_key(owner, key.fingerprint),
        ):
            try:
                clear()
            except (SessionError, CredentialStoreError) as error:
                _log.warning("%s is revoked, but: %s", key.masked, error)


def _is_noted(paths: Paths, key: ApiKey) -> bool:
    try:
        card = read_metadata(paths)
    except CredentialStoreError as error:
        _log.warning("Whether %s is stored there is not known: %s", key.masked, error)
        return False
    return card is not None and card.fingerprint == key.fingerprint


def revoke_api_key(
    api_key: str | None = None,
    *,
    reason: str | None = None,
    profile: str | None = None,
    timeout: float | None = None,
) -> RevocationResult:
    """Revoke a key for good, and clear what is kept for it on this machine. This cannot be undone.

    Args:
        api_key: The key; the one in use where left out (``explain()`` shows which that is).
        reason: Logged by the service for audits.
        profile: Which account.
        timeout: Seconds for the whole call, retries included.

    Raises:
        KeyNotFoundError: The key does not exist, or was revoked before; what was kept for it is gone.
    """
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    return run(settings, revoke_flow(settings, given, reason))


async def revoke_api_key_async(
    api_key: str | None = None,
    *,
    reason: str | None = None,
    profile: str | None = None,
    timeout: float | None = None,
) -> RevocationResult:
    """The awaitable twin of :func:`revoke_api_key`."""
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    return await run_async(settings, revoke_flow(settings, given, reason))
