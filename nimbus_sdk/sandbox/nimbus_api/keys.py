"""API keys: made, found, listed, revoked, and their monthly quota.

A key is stored as its SHA-256 and its masked text; the plain key exists once, in the return value of
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
from nimbus_sdk.sandbox.http.masking import digest, mask_key, mask_text
from nimbus_sdk.sandbox.http.refusals import Refused
from nimbus_sdk.sandbox.http.times import Clock, iso, month, next_month
from nimbus_sdk.sandbox.nimbus_api.license_tiers import TIERS

KEY_PATTERN = re.compile(r"nbci_(live|test)_[0-9a-fA-F]{48}")
FINGERPRINT_LENGTH = 12


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What the sandbox knows of one key, its quota reckoned for the current month."""

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
        """First 12 hexadecimal digits of the key's SHA-256."""
        return self.key_hash[:FINGERPRINT_LENGTH]

    @property
    def remaining(self) -> int | None:
        """Inferences left this month; None means unlimited."""
        return None if self.monthly_limit is None else max(0, self.monthly_limit - self.used)

    def listing(self) -> dict[str, object]:
        """The record as people and other processes may see it."""
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
            "expires_at": None if self.expires_at is None else iso(self.expires_at),
            "revoked_at": None if self.revoked_at is None else iso(self.revoked_at),
        }


class LicenseKeys:
    """The keys of one database.

    Args:
        database: Where they are kept.
        clock: Tells Unix seconds.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, wanted: NewKey) -> str:
        """Make a key and return it, plain, this once."""
        key, now = f"nbci_{wanted.kind}_{secrets.token_hex(24)}", self._clock()
        row = {
            "key_hash": digest(key),
            "masked": mask_key(key),
            "kind": wanted.kind,
            "tier": wanted.tier,
            "features": json.dumps(wanted.granted_features),
            "monthly_limit": wanted.granted_limit,
            "used": wanted.used,
            "month": month(now),
            "user_id": wanted.user_id or f"usr_{secrets.randbelow(10**10):010d}",
            "email": wanted.email,
            "name": wanted.name,
            "organization": wanted.organization,
            "created_at": now,
            "expires_at": None if wanted.expires_at is None else wanted.expires_at.timestamp(),
            "revoked_at": None,
            "block_when_exhausted": json.dumps(sorted(wanted.block_when_exhausted)),
        }
        places = ", ".join(f":{column}" for column in row)
        with self._database.transaction() as connection:
            connection.execute(f"INSERT INTO keys ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608
        return key

    def active(self, key: str) -> KeyRecord:
        """The record of a key that may be used now.

        Raises:
            Refused: INVALID_FORMAT, INVALID_KEY (unknown or revoked) or KEY_EXPIRED.
        """
        record = self._find(check_format(key))
        if record is None or record.revoked_at is not None:
            raise Refused("INVALID_KEY")
        if record.expires_at is not None and record.expires_at <= self._clock():
            raise Refused("KEY_EXPIRED")
        return record

    def revoke(self, key: str, reason: str | None = None) -> None:
        """Make a key inactive for ever, with a line in the audit table.

        Args:
            key: The key, or its fingerprint (12 hexadecimal digits).
            reason: Kept in the audit table, keys in it masked.

        Raises:
            Refused: KEY_NOT_FOUND where no such key is active.
        """
        prefix = key if re.fullmatch(r"[0-9a-f]{12}", key) else digest(key)
        now = self._clock()
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT key_hash FROM keys WHERE substr(key_hash, 1, ?) = ? AND revoked_at IS NULL",
                (len(prefix), prefix),
            ).fetchone()
            if found is None:
                raise Refused("KEY_NOT_FOUND")
            connection.execute("UPDATE keys SET revoked_at = ? WHERE key_hash = ?", (now, found["key_hash"]))
            connection.execute("DELETE FROM tokens WHERE key_hash = ?", (found["key_hash"],))
            connection.execute(
                "INSERT INTO audit (at, fingerprint, action, reason) VALUES (?, ?, 'revoke', ?)",
                (now, found["key_hash"][:FINGERPRINT_LENGTH], None if reason is None else mask_text(reason)),
            )

    def audit(self) -> list[dict[str, object]]:
        """Every revocation, oldest first: at, fingerprint, action, reason."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT at, fingerprint, action, reason FROM audit ORDER BY id"
            ).fetchall()
        return [{**dict(row), "at": iso(row["at"])} for row in rows]

    def listing(self) -> list[dict[str, object]]:
        """All keys, oldest first, masked."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM keys ORDER BY created_at, rowid").fetchall()
        return [self._record(row).listing() for row in rows]

    def spend(self, record: KeyRecord, event_type: str, details: str) -> tuple[str, KeyRecord]:
        """Log one analytics event; an inference counts against the month's quota.

        Returns:
            The event's id, and the record as it stands after it.

        Raises:
            Refused: QUOTA_EXCEEDED where nothing is left and the key blocks analytics then.
        """
        now, event_id = self._clock(), f"evt_{secrets.token_hex(10)}"
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM keys WHERE key_hash = ?", (record.key_hash,)).fetchone()
            current = self._record(row)
            check_quota(current, "analytics")
            used = current.used + (event_type == "inference")
            connection.execute(
                "UPDATE keys SET used = ?, month = ? WHERE key_hash = ?", (used, month(now), record.key_hash)
            )
            connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (event_id, now, record.fingerprint, event_type, mask_text(details)),
            )
            after = connection.execute("SELECT * FROM keys WHERE key_hash = ?", (record.key_hash,)).fetchone()
        return event_id, self._record(after)

    def resets_at(self) -> float:
        """When every quota begins anew, in Unix seconds."""
        return next_month(self._clock())

    def _find(self, key: str) -> KeyRecord | None:
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM keys WHERE key_hash = ?", (digest(key),)).fetchone()
        return None if row is None else self._record(row)

    def _record(self, row: sqlite3.Row) -> KeyRecord:
        fields = dict(row)
        counted_in = fields.pop("month")
        return KeyRecord(
            **{
                **fields,
                "features": tuple(json.loads(row["features"])),
                "used": row["used"] if counted_in == month(self._clock()) else 0,
                "block_when_exhausted": frozenset(json.loads(row["block_when_exhausted"])),
            }
        )


def check_format(key: str) -> str:
    """The key as given.

    Raises:
        Refused: INVALID_FORMAT where it is not a Nimbus API key.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise Refused("INVALID_FORMAT")
    return key


def check_quota(record: KeyRecord, endpoint: str) -> None:
    """Let through what a key may still do.

    Raises:
        Refused: QUOTA_EXCEEDED where the quota is used up and the key blocks this endpoint then.
    """
    if record.remaining == 0 and endpoint in record.block_when_exhausted:
        raise Refused("QUOTA_EXCEEDED")


Kind = Literal["test", "live"]
_MOST = 2**62
BLOCKABLE = frozenset({"validate", "refresh", "analytics"})


class KeyFields(TypedDict, total=False):
    """The fields of :class:`NewKey` but its tier, as keyword arguments."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is wanted.

    Attributes:
        tier: A tier of the table; any other name where ``features`` says what it may do.
        kind: ``test`` or ``live``: the prefix.
        expires_at: Aware moment after which the key is refused; None is never.
        used: Inferences already counted this month.
        monthly_limit: Inferences a month; None takes the tier's own.
        features: The ``features`` list; None takes the tier's own.
        email: The holder's address.
        name: The holder's name, left out of answers where None.
        organization: The holder's organization, left out of answers where None.
        user_id: As it stands in answers; None makes one.
        block_when_exhausted: Endpoints that answer 429 QUOTA_EXCEEDED once the quota is used up, of
            ``validate``, ``refresh`` and ``analytics``.

    Raises:
        ConfigurationError: An unknown tier without features, or a value that no key can have.
    """

    tier: str = "research"
    kind: Kind = "test"
    expires_at: datetime | None = None
    used: int = 0
    monthly_limit: int | None = None
    features: Collection[str] | None = None
    email: str = "researcher@university.edu"
    name: str | None = "Dr. Jane Smith"
    organization: str | None = "Neuroscience Lab"
    user_id: str | None = None
    block_when_exhausted: Collection[str] = ("analytics",)

    def __post_init__(self) -> None:
        if self.tier not in TIERS and self.features is None:
            raise ConfigurationError(
                f"The sandbox has no license tier {self.tier!r}.",
                hint=f"Take one of {', '.join(TIERS)}, or say which features the tier has.",
            )
        if self.kind not in ("test", "live"):
            raise ConfigurationError(f"The sandbox makes test and live keys, not {self.kind!r}.")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ConfigurationError("expires_at must name its time zone.", hint="Add tzinfo=UTC to it.")
        if not all(0 <= count < _MOST for count in (self.used, self.monthly_limit or 0)):
            raise ConfigurationError("used and monthly_limit count inferences: they are 0 or more.")
        if unknown := sorted(set(self.block_when_exhausted) - BLOCKABLE):
            raise ConfigurationError(
                f"No quota stands before {', '.join(unknown)}.",
                hint=f"Choose of {', '.join(sorted(BLOCKABLE))}.",
            )

    @property
    def granted_features(self) -> list[str]:
        """The features the key will have."""
        return list(TIERS[self.tier].features if self.features is None else self.features)

    @property
    def granted_limit(self) -> int | None:
        """The monthly quota the key will have; None means unlimited."""
        if self.monthly_limit is not None or self.tier not in TIERS:
            return self.monthly_limit
        return TIERS[self.tier].monthly_limit
