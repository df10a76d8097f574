"""Keys in a sandbox's database file, with no server running; one that runs sees the changes at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.refusals import Refused
from nimbus_sdk.sandbox.nimbus_api.keys import Kind, LicenseKeys, NewKey


def create_key(
    db: Path,
    tier: str = "research",
    *,
    kind: Kind = "test",
    expires_at: datetime | None = None,
    used: int = 0,
) -> str:
    """Make a key in a database file, and the file where it is missing.

    Args:
        db: The file.
        tier: License tier.
        kind: ``test`` or ``live``.
        expires_at: Aware moment after which it is refused; None is never.
        used: Inferences already counted this month.

    Returns:
        The plain key, this once.

    Raises:
        ConfigurationError: The file or an argument cannot be used.
    """
    with _keys(db) as keys:
        return keys.create(NewKey(tier=tier, kind=kind, expires_at=expires_at, used=used))


def list_keys(db: Path) -> list[dict[str, object]]:
    """All keys of a database file, oldest first, masked.

    Raises:
        ConfigurationError: The file cannot be used, or there is none.
    """
    if not db.is_file():
        raise ConfigurationError(f"There is no sandbox database {db}.", hint="Create a key in it first.")
    with _keys(db) as keys:
        return keys.listing()


def revoke_key(db: Path, key: str, *, reason: str | None = None) -> None:
    """Make a key of a database file inactive for ever.

    Args:
        db: The file.
        key: The key or its fingerprint; the fingerprint is no secret and may stand on a command line.
        reason: Kept in the audit table.

    Raises:
        ConfigurationError: The file cannot be used, or no such key is active in it.
    """
    with _keys(db) as keys:
        revoke_in(keys, key, reason)


def revoke_in(keys: LicenseKeys, key: str, reason: str | None) -> None:
    """Revoke, with an error for people in place of the API's refusal."""
    try:
        keys.revoke(key, reason)
    except Refused as refusal:
        raise ConfigurationError(
            "The sandbox has no such active key.", hint="List its keys to see their fingerprints."
        ) from refusal


@contextmanager
def _keys(db: Path) -> Iterator[LicenseKeys]:
    database = Database(db)
    try:
        yield LicenseKeys(database, time.time)
    finally:
        database.close()
