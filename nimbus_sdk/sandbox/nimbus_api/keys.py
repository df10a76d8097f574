"""License keys: created, looked up, listed, revoked, and their monthly quota.

A key is stored as its SHA-256 and its masked text; the plain key exists only in the return value of
:meth:`LicenseKeys.create`.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.errors import HttpError
from nimbus_sdk.sandbox.http.masking import digest, mask_key, mask_text
from nimbus_sdk.sandbox.http.times import Clock, iso, iso_or_none, month, next_month
from nimbus_sdk.sandbox.nimbus_api.license_tiers import TIERS

Kind = Literal["test", "live"]
_KEY_PATTERN = re.compile(r"nbci_(live|test)_[0-9a-fA-F]{48}")
_FINGERPRINT_LENGTH = 12
_MAX_COUNT = 2**62
_BLOCKABLE = frozenset({"validate", "refresh", "analytics"})


class LicenseKeyOptions(TypedDict, total=False):
    """The keyword arguments of :meth:`LicenseKeys.create`."""

    kind: Kind
    expires_at: datetime | None
    used: int
    monthly_limit: int | None
    features: Collection[str] | None
    email: str
    name: str | None
    organization: str | None
    user_id: str | None
    block_when_exhausted: Collection[str]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key with its quota of the current month."""

    key_hash: str
    masked: str
    kind: str
    tier: str
    features: tuple[str, ...]
    monthly_limit: int | None
    used: int
    user_id: str
    email: str
    name: str | None
    organization: str | None
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    block_when_exhausted: frozenset[str]

    @property
    def fingerprint(self) -> str:
        """The first 12 hexadecimal digits of the key's SHA-256."""
        return self.key_hash[:_FINGERPRINT_LENGTH]

    @property
    def remaining(self) -> int | None:
        """Inferences left this month; None is unlimited."""
        return None if self.monthly_limit is None else max(0, self.monthly_limit - self.used)

    def to_json(self) -> dict[str, object]:
        """Return the record for listings, with the key masked."""
        return {
            "key": self.masked,
            "fingerprint": self.fingerprint,
            "kind": self.kind,
            "license_type": self.tier,
            "features": list(self.features),
            "email": self.email,
            "monthly_limit": self.monthly_limit,
            "used": self.used,
            "created_at": iso(self.created_at),
            "expires_at": iso_or_none(self.expires_at),
            "revoked_at": iso_or_none(self.revoked_at),
        }


class LicenseKeys:
    """The license keys of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

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
                hint=f"Use one of {', '.join(TIERS)}, or give the features of the tier.",
            )
        if kind not in ("test", "live"):
            raise ConfigurationError(f"The kind of a key is test or live, not {kind!r}.")
        if expires_at is not None and expires_at.tzinfo is None:
            raise ConfigurationError("expires_at must have a time zone.", hint="Add tzinfo=UTC to it.")
        if not all(0 <= count < _MAX_COUNT for count in (used, monthly_limit or 0)):
            raise ConfigurationError("used and monthly_limit must be 0 or more.")
        if unknown := sorted(set(block_when_exhausted) - _BLOCKABLE):
            raise ConfigurationError(
                f"No quota can block {', '.join(unknown)}.", hint=f"Use {', '.join(sorted(_BLOCKABLE))}."
            )
        usual = TIERS.get(tier)
        if monthly_limit is None and usual is not None:
            monthly_limit = usual.monthly_limit
        if features is None and usual is not None:
            features = usual.features
        key, now = f"nbci_{kind}_{secrets.token_hex(24)}", self._clock()
        row = {
            "key_hash": digest(key),
            "masked": mask_key(key),
            "kind": kind,
            "tier": tier,
            "features": json.dumps(list(features or ())),
            "monthly_limit": monthly_limit,
            "used": used,
            "month": month(now),
            "user_id": user_id or f"usr_{secrets.randbelow(10**10):010d}",
            "email": email,
            "name": name,
            "organization": organization,
            "created_at": now,
            "expires_at": None if expires_at is None else expires_at.timestamp(),
            "block_when_exhausted": json.dumps(sorted(block_when_exhausted)),
        }
        self._database.insert("keys", row)
        return key

    def require_active(self, key: str) -> KeyRecord:
        """Return the record of a key that is valid now.

        Raises:
            HttpError: INVALID_FORMAT, INVALID_KEY (unknown or revoked) or KEY_EXPIRED.
        """
        require_format(key)
        row = self._database.fetch_one("SELECT * FROM keys WHERE key_hash = ?", (digest(key),))
        record = None if row is None else self._record(row)
        if record is None or record.revoked_at is not None:
            raise HttpError("INVALID_KEY")
        if record.expires_at is not None and record.expires_at <= self._clock():
            raise HttpError("KEY_EXPIRED")
        return record

    def revoke(self, key: str, reason: str | None = None) -> None:
        """Revoke a key for ever and record it in the audit table.

        Args:
            key: The key or its fingerprint.
            reason: Stored in the audit table with keys masked.

        Raises:
            HttpError: KEY_NOT_FOUND if no such key is active.
        """
        prefix = key if re.fullmatch(r"[0-9a-f]{12}", key) else digest(key)
        now = self._clock()
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT key_hash FROM keys WHERE substr(key_hash, 1, ?) = ? AND revoked_at IS NULL",
                (len(prefix), prefix),
            ).fetchone()
            if row is None:
                raise HttpError("KEY_NOT_FOUND")
            key_hash = row["key_hash"]
            connection.execute("UPDATE keys SET revoked_at = ? WHERE key_hash = ?", (now, key_hash))
            connection.execute("DELETE FROM tokens WHERE key_hash = ?", (key_hash,))
            connection.execute(
                "INSERT INTO audit (at, fingerprint, action, reason) VALUES (?, ?, 'revoke', ?)",
                (now, key_hash[:_FINGERPRINT_LENGTH], None if reason is None else mask_text(reason)),
            )

    def audit(self) -> list[dict[str, object]]:
        """Return all revocations, oldest first: at, fingerprint, action, reason."""
        rows = self._database.fetch_all("SELECT at, fingerprint, action, reason FROM audit ORDER BY id")
        return [{**dict(row), "at": iso(row["at"])} for row in rows]

    def list_all(self) -> list[dict[str, object]]:
        """Return all keys for listings, oldest first."""
        rows = self._database.fetch_all("SELECT * FROM keys ORDER BY created_at, rowid")
        return [self._record(row).to_json() for row in rows]

    def log_event(self, record: KeyRecord, event_type: str, details: str) -> tuple[str, KeyRecord]:
        """Record one analytics event; an inference is counted against the month's quota.

        Returns:
            The event's id, and the key's record after the event.

        Raises:
            HttpError: QUOTA_EXCEEDED if the quota is used up and the key blocks analytics then.
        """
        now, event_id = self._clock(), f"evt_{secrets.token_hex(10)}"
        select = ("SELECT * FROM keys WHERE key_hash = ?", (record.key_hash,))
        with self._database.transaction() as connection:
            current = self._record(connection.execute(*select).fetchone())
            require_quota(current, "analytics")
            used = current.used + (event_type == "inference")
            connection.execute(
                "UPDATE keys SET used = ?, month = ? WHERE key_hash = ?", (used, month(now), record.key_hash)
            )
            connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (event_id, now, record.fingerprint, event_type, mask_text(details)),
            )
            return event_id, self._record(connection.execute(*select).fetchone())

    def quota_reset_at(self) -> float:
        """Return the Unix second at which all quotas are reset."""
        return next_month(self._clock())

    def _record(self, row: sqlite3.Row) -> KeyRecord:
        fields = dict(row)
        counted_month = fields.pop("month")
        return KeyRecord(
            **{
                **fields,
                "features": tuple(json.loads(row["features"])),
                "used": row["used"] if counted_month == month(self._clock()) else 0,
                "block_when_exhausted": frozenset(json.loads(row["block_when_exhausted"])),
            }
        )


def require_format(key: str) -> None:
    """Raise an error unless a text has the format of a Nimbus API key.

    Raises:
        HttpError: INVALID_FORMAT.
    """
    if not _KEY_PATTERN.fullmatch(key):
        raise HttpError("INVALID_FORMAT")


def require_quota(record: KeyRecord, endpoint: str) -> None:
    """Raise an error if the quota is used up and the key blocks this endpoint then.

    Raises:
        HttpError: QUOTA_EXCEEDED.
    """
    if record.remaining == 0 and endpoint in record.block_when_exhausted:
        raise HttpError("QUOTA_EXCEEDED")
