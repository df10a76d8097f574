"""Revoking a key: at the service first, then everything that this machine has stored for it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nimbus_sdk.account import rejected_keys
from nimbus_sdk.config.keys import ApiKey, parse_key, raise_if_invalid
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CredentialStoreError, KeyNotFoundError, SessionError
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.storage import key_lookup, key_removal
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey

NOT_FOUND = 404
_log = logging.getLogger("nimbus_sdk")


@printable_texts
@dataclass(frozen=True, slots=True)
class RevocationResult:
    """The result of revoking a key.

    Attributes:
        revoked: Whether the service has revoked it.
        message: What the service said.
        key_masked: The key.
        not_removed: What this machine could not remove of it, and why.
    """

    revoked: bool
    message: str
    key_masked: str
    not_removed: tuple[str, ...] = ()


def revoke_flow(settings: Settings, given: ParsedKey, reason: str | None) -> Flow[RevocationResult]:
    """Revoke a key permanently, then remove its sessions and stored copies."""
    from nimbus_sdk.api import endpoints

    found = yield from run_blocking(lambda: key_lookup.find_key(settings, raise_if_invalid(given)))
    flow = endpoints.revoke(settings.api_url, found.key, reason)
    try:
        revocation = yield from rejected_keys.record_rejection(settings, found.key, flow)
    except KeyNotFoundError as error:
        # Revoked before, perhaps by a call whose response was lost: nothing of it may stay.
        if error.status == NOT_FOUND:
            yield from run_blocking(lambda: _clear(settings, found.key))
        raise
    not_removed: tuple[str, ...] = ()
    if revocation.revoked:
        not_removed = yield from run_blocking(lambda: _clear(settings, found.key))
    return RevocationResult(revocation.revoked, revocation.message, found.key.masked, not_removed)


def _clear(settings: Settings, key: ApiKey) -> tuple[str, ...]:
    """Remove a key's sessions and stored copies of every profile; log and return what was refused."""
    refusals = []
    others = [other for other in settings.each_other_profile() if _is_stored(other.paths, key)]
    for owner in (settings, *others):
        for clear in (
            lambda owner=owner: rejected_keys.mark_rejected(owner, key, "REVOKED"),
            lambda owner=owner: key_removal.delete_key(owner, key.fingerprint),
        ):
            try:
                clear()
            except (SessionError, CredentialStoreError) as error:
                _log.warning("%s is revoked, but: %s", key.masked, error)
                refusals.append(str(error))
    return tuple(refusals)


def _is_stored(paths: Paths, key: ApiKey) -> bool:
    try:
        metadata = read_metadata(paths)
    except CredentialStoreError as error:
        _log.warning("It is not known whether %s is stored there: %s", key.masked, error)
        return False
    return metadata is not None and metadata.fingerprint == key.fingerprint


def _revoke_api_key(
    api_key: str | None = None,
    *,
    reason: str | None = None,
    profile: str | None = None,
    timeout: float | None = None,
) -> Prepared[RevocationResult]:
    """Revoke a key permanently, and remove it from this machine. This cannot be undone.

    Args:
        api_key: The key; the one in use if omitted (``explain()`` shows which that is).
        reason: Logged by the service for audits.
        profile: Which account.
        timeout: Seconds for the whole call, retries included.

    Raises:
        KeyNotFoundError: The key does not exist, or was revoked before; it is removed from this machine.
    """
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    return settings, revoke_flow(settings, given, reason)


revoke_api_key, revoke_api_key_async = make_pair(_revoke_api_key)
