"""License keys in a sandbox's database file. No server has to run; a running one sees changes at once."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.nimbus_api.keys import Kind, LicenseKeys


def create_key(
    db: Path,
    tier: str = "research",
    *,
    kind: Kind = "test",
    expires_at: datetime | None = None,
    used: int = 0,
) -> str:
    """Create a key in a database file, and the file if it is missing.

    Args:
        db: The file.
        tier: License tier.
        kind: ``test`` or ``live``.
        expires_at: Aware time after which it is rejected; None is never.
        used: Inferences already counted this month.

    Returns:
        The key in plain; it cannot be read later.

    Raises:
        ConfigurationError: The file or an argument is invalid.
    """
    with closing(Database(db)) as database:
        return LicenseKeys(database, time.time).create(tier, kind=kind, expires_at=expires_at, used=used)


def list_keys(db: Path) -> list[dict[str, object]]:
    """Return all keys of a database file, oldest first, masked.

    Raises:
        ConfigurationError: The file is missing or invalid.
    """
    if not db.is_file():
        raise ConfigurationError(f"There is no sandbox database {db}.", hint="Create a key in it first.")
    with closing(Database(db)) as database:
        return LicenseKeys(database, time.time).list_all()


def revoke_key(db: Path, key: str, *, reason: str | None = None) -> None:
    """Revoke a key of a database file permanently.

    Args:
        db: The file.
        key: The key or its fingerprint; the fingerprint is not secret and can be given on a command line.
        reason: Stored in the audit table.

    Raises:
        ConfigurationError: The file is invalid, or has no such active key.
    """
    with closing(Database(db)) as database:
        LicenseKeys(database, time.time).revoke(key, reason=reason)
