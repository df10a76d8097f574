"""What a machine has already, where a bundle brings something older."""

from __future__ import annotations

import logging
from datetime import datetime

from nimbus_sdk.core import claims, installed
from nimbus_sdk.core.installed import InstalledCore
from nimbus_sdk.errors import CoreError, SessionError
from nimbus_sdk.session import AuthSession
from nimbus_sdk.session_in_use import kept_session
from nimbus_sdk.store.places import Places

_log = logging.getLogger("nimbus_sdk")


def later(places: Places, brought: AuthSession, now: datetime) -> AuthSession:
    """Of the session that a bundle brings and the kept one of the same key, what the service said last.

    A kept session that has ended counts no more, whenever it was confirmed: it would leave nothing to use.
    """
    try:
        kept = kept_session(places)
    except SessionError:
        # One that cannot be read is no reason to go without.
        return brought
    if kept is None or kept.is_expired(now) or kept.validated_at <= brought.validated_at:
        return brought
    same = (kept.key_fingerprint, kept.api_origin) == (brought.key_fingerprint, brought.api_origin)
    return kept if same else brought


def core_in_use(places: Places) -> InstalledCore | None:
    """The core in use, or None where there is none that is whole enough to be told."""
    try:
        return installed.current(places.core)
    except CoreError:
        return None


def tell_of_lower(before: InstalledCore | None, version: str) -> None:
    """Say in the log that a bundle has brought a lower version than what was in use, and the way back."""
    if before is None:
        return
    was, now = claims.version(before.version), claims.version(version)
    if was is not None and now is not None and now < was:
        _log.warning(
            "The bundle's core %s is in use now, in place of the newer %s, which is kept: "
            "`nimbus-sdk core rollback` goes back to it.",
            version,
            before.version,
        )
