"""License keys and their monthly quota, in a running sandbox and in a database file.

The plain key exists only in the return value of ``LicenseKeys.create``. No server has to
run to change the keys of a file; a running one sees changes at once.

Source of the tiers: the tables "License Tiers" and "License Features" of the Nimbus API documentation.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.suggestions import list_choices
from nimbus_sdk.sandbox.http.database import Database, KeyStore, StoredKey
from nimbus_sdk.sandbox.http.masking import mask_key, mask_text
from nimbus_sdk.sandbox.http.responses import HttpError, iso, iso_or_none

Kind = Literal["test", "live"]
_KEY_PATTERN = re.compile(r"nbci_(live|test)_[0-9a-fA-F]{48}")
_MAX_COUNT = 2**62
_BLOCKABLE = frozenset({"validate", "refresh", "analytics"})


class Tier(NamedTuple):
    """One license tier; it includes all tiers of lower rank. A monthly limit of None is unlimited."""

    rank: int
    monthly_limit: int | None
    features: tuple[str, ...]


_BASIC = ("batch_inference",)
_RESEARCH = (*_BASIC, "streaming", "training", "calibration", "model_export")
_COMMERCIAL = (*_RESEARCH, "custom_models", "priority_support")
_ENTERPRISE = (*_COMMERCIAL, "on_premise")

TIERS = {
    "free": Tier(0, 10_000, _BASIC),
    "trial": Tier(0, 10_000, _BASIC),
    "research": Tier(1, 50_000, _RESEARCH),
    "commercial": Tier(2, 500_000, _COMMERCIAL),
    "enterprise": Tier(3, None, _ENTERPRISE),
}


class LicenseKeys:
    """The license keys of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = database.clock
        self._store = KeyStore(database, "nimbus_api", "active key")

    def create(
        self,
        tier: str = "research",
        *,
        kind: Kind = "test",
        expires_at: datetime | None = None,
        used: int = 0,
        monthly_limit: int | None = None,
        features: Collection[str] | None = None,
        email: str = "researcher@university.edu",
        name: str | None = "Dr. Jane Smith",
        organization: str | None = "Neuroscience Lab",
        user_id: str | None = None,
        block_when_exhausted: Collection[str] = ("analytics",),
    ) -> str:
        """Create a key and return it in plain; it cannot be read later.

        Args:
            tier: A tier of the table; any other name if ``features`` is given.
            kind: The prefix: ``test`` or ``live``.
            expires_at: Aware time after which the key is rejected; None is never.
            used: Inferences already counted this month.
            monthly_limit: Inferences a month; None takes the tier's own.
            features: The ``features`` list; None takes the tier's own.
            email: The owner's address.
            name: The owner's name; answers omit it if None.
            organization: The owner's organization; answers omit it if None.
            user_id: The owner's id; None makes one.
            block_when_exhausted: Endpoints that answer 429 QUOTA_EXCEEDED once the quota is used up, out of
                ``validate``, ``refresh`` and ``analytics``.

        Raises:
            ConfigurationError: An unknown tier without features, or an invalid value.
        """
        if tier not in TIERS and features is None:
            raise ConfigurationError(
                f"The sandbox has no license tier {tier!r}.",
                hint=f"{list_choices(tier, TIERS)} For another one give its features.",
            )
        if kind not in ("test", "live"):
            raise ConfigurationError(f"The kind of a key is test or live, not {kind!r}.")
        if expires_at is not None and expires_at.tzinfo is None:
            raise ConfigurationError("expires_at must have a time zone.", hint="Add tzinfo=UTC to it.")
        if not all(
            isinstance(count, int) and 0 <= count < _MAX_COUNT for count in (used, monthly_limit or 0)
        ):
            raise ConfigurationError("used and monthly_limit must be 0 or more.")
        if unknown := sorted(set(block_when_exhausted) - _BLOCKABLE):
            raise ConfigurationError(
                f"No quota can block {', '.join(unknown)}.", hint=list_choices(unknown[0], sorted(_BLOCKABLE))
            )
        if usual := TIERS.get(tier):
            monthly_limit = usual.monthly_limit if monthly_limit is None else monthly_limit
            features = usual.features if features is None else features
        fields = {
            "kind": kind,
            "tier": tier,
            "features": list(features or ()),
            "monthly_limit": monthly_limit,
            "used": used,
            "month": _month(self._clock()),
            "user_id": user_id or f"usr_{secrets.randbelow(10**10):010d}",
            "email": email,
            "name": name,
            "organization": organization,
            "expires_at": None if expires_at is None else expires_at.timestamp(),
            "block_when_exhausted": sorted(block_when_exhausted),
        }
        key = f"nbci_{kind}_{secrets.token_hex(24)}"
        self._store.add(key, mask_key(key), fields)
        return key

    def require_active(self, key: str) -> StoredKey:
        """Return a key that is valid now, or raise INVALID_FORMAT, INVALID_KEY or KEY_EXPIRED."""
        require_format(key)
        stored = self._store.find(key)
        if stored is None:
            raise HttpError("INVALID_KEY")
        expires_at = stored.fields["expires_at"]
        if expires_at is not None and expires_at <= self._clock():
            raise HttpError("KEY_EXPIRED")
        return stored

    def revoke(self, key: str, *, reason: str | None = None) -> None:
        """Revoke a key permanently and record it in the audit table.

        Args:
            key: The key or its fingerprint.
            reason: Stored in the audit table with keys masked.

        Raises:
            UnknownKeyError: No such key is active.
        """
        with self._database.transaction() as connection:
            fingerprint = self._store.revoke(key)
            connection.execute("DELETE FROM tokens WHERE fingerprint = ?", (fingerprint,))
            connection.execute(
                "INSERT INTO audit (at, fingerprint, action, reason) VALUES (?, ?, 'revoke', ?)",
                (self._clock(), fingerprint, None if reason is None else mask_text(reason)),
            )

    def audit(self) -> list[dict[str, object]]:
        """Return all revocations, oldest first: at, fingerprint, action, reason."""
        rows = self._database.fetch_all("SELECT at, fingerprint, action, reason FROM audit ORDER BY id")
        return [{**dict(row), "at": iso(row["at"])} for row in rows]

    def list_all(self) -> list[dict[str, object]]:
        """Return all keys for listings, oldest first, masked."""
        return [
            {
                "key": key.masked,
                "fingerprint": key.id,
                "kind": key.fields["kind"],
                "name": key.fields["name"],
                "license_type": key.fields["tier"],
                "features": key.fields["features"],
                "email": key.fields["email"],
                "monthly_limit": key.fields["monthly_limit"],
                "used": self.count_used(key),
                "expires_at": iso_or_none(key.fields["expires_at"]),
                **key.times_json(),
            }
            for key in self._store.list_all()
        ]

    def log_event(self, key: str, event_type: str, details: str) -> tuple[str, StoredKey]:
        """Record one analytics event, an inference against the quota; return its id and the key after it."""
        now, event_id = self._clock(), f"evt_{secrets.token_hex(10)}"
        with self._database.transaction() as connection:
            stored = self.require_active(key)
            self.require_quota(stored, "analytics")
            connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (event_id, now, stored.id, event_type, mask_text(details)),
            )
            used = self.count_used(stored) + (event_type == "inference")
            return event_id, self._store.update(stored, used=used, month=_month(now))

    def count_events_by_day(self) -> list[dict[str, object]]:
        """Return the events of each day, UTC, by their type; the last day first."""
        rows = self._database.fetch_all(
            "SELECT date(at, 'unixepoch') AS day, sum(event_type = 'inference') AS inference, "
            "sum(event_type = 'model_load') AS model_load, sum(event_type = 'error') AS error "
            "FROM events GROUP BY day ORDER BY day DESC"
        )
        return [dict(row) for row in rows]

    def count_used(self, key: StoredKey) -> int:
        """Return the inferences of this month."""
        return int(key.fields["used"]) if key.fields["month"] == _month(self._clock()) else 0

    def count_remaining(self, key: StoredKey) -> int | None:
        """Return the inferences left this month; None is unlimited."""
        limit = key.fields["monthly_limit"]
        return None if limit is None else max(0, limit - self.count_used(key))

    def require_quota(self, key: StoredKey, endpoint: str) -> None:
        """Raise QUOTA_EXCEEDED if the quota is used up and the key blocks this endpoint then."""
        if self.count_remaining(key) == 0 and endpoint in key.fields["block_when_exhausted"]:
            raise HttpError("QUOTA_EXCEEDED")


def require_format(key: str) -> None:
    """Raise INVALID_FORMAT unless a text has the format of a Nimbus API key."""
    if not _KEY_PATTERN.fullmatch(key):
        raise HttpError("INVALID_FORMAT")


def is_covered(required: str, tier: str) -> bool:
    """Return whether a license of one tier may use what requires another."""
    # A tier that is not in the table counts as the lowest if licensed, and as the highest if required.
    licensed, needed = TIERS.get(tier), TIERS.get(required)
    highest = max(other.rank for other in TIERS.values())
    return (licensed.rank if licensed else 0) >= (needed.rank if needed else highest)


def _month(timestamp: float) -> str:
    return iso(timestamp)[:7]


def next_month(timestamp: float) -> float:
    """Return the start of the month after ``timestamp``: the time at which quotas are reset."""
    now = datetime.fromtimestamp(timestamp, UTC)
    year, following = divmod(now.year * 12 + now.month, 12)
    return datetime(year, following + 1, 1, tzinfo=UTC).timestamp()


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
        return LicenseKeys(database).create(tier, kind=kind, expires_at=expires_at, used=used)


def list_keys(db: Path) -> list[dict[str, object]]:
    """Return all keys of a database file, oldest first, masked.

    Raises:
        ConfigurationError: The file is missing or invalid.
    """
    if not db.is_file():
        raise ConfigurationError(f"There is no sandbox database {db}.", hint="Create a key in it first.")
    with closing(Database(db)) as database:
        return LicenseKeys(database).list_all()


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
        LicenseKeys(database).revoke(key, reason=reason)
