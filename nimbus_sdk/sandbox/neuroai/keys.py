"""Keys of NeuroAI from creation to deletion; a secret is stored as its SHA-256 and its first characters."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.errors import NeuroAiRefused
from nimbus_sdk.sandbox.neuroai.key_fields import RateLimit, Traits

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class NeuroAiKey:
    """What the sandbox knows of one key.

    Attributes:
        number: Its place in the order of creation.
        id: ``key_`` and 16 hexadecimal digits.
        key_prefix: First characters of the secret.
        traits: What its owner set.
        user: The account that holds it.
        ceiling: What its creator was allowed, which a personal key cannot exceed; None is without a ceiling.
        created_at: Unix second.
        rotated_at: Unix second of the last rotation, or None.
        last_used_at: Unix second of the last use, or None.
    """

    number: int
    id: str
    key_prefix: str
    traits: Traits
    user: str
    ceiling: frozenset[str] | None
    created_at: float
    rotated_at: float | None
    last_used_at: float | None


class NeuroAiKeys:
    """The NeuroAI keys of one database.

    Args:
        database: Where they are kept.
        clock: Tells Unix seconds.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, traits: Traits, user: str, ceiling: Sequence[str] | None) -> tuple[NeuroAiKey, str]:
        """Make a key: its record, and its secret, plain, this once."""
        key_id, secret = f"key_{secrets.token_hex(8)}", _new_secret()
        row = {
            "id": key_id,
            "key_hash": digest(secret),
            "key_prefix": secret[:_SHOWN],
            **_columns(traits),
            "type": traits.type,
            "user": user,
            "ceiling": None if ceiling is None else json.dumps(list(ceiling)),
            "created_at": self._clock(),
        }
        places = ", ".join(f":{column}" for column in row)
        with self._database.transaction() as connection:
            connection.execute(f"INSERT INTO neuroai_keys ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608
            return _found(connection, key_id), secret

    def by_secret(self, secret: str) -> NeuroAiKey | None:
        """The key whose secret this is now; None where there is none."""
        return self._one("SELECT * FROM neuroai_keys WHERE key_hash = ?", digest(secret))

    def by_id(self, key_id: str) -> NeuroAiKey | None:
        """The key of this id; None where there is none."""
        return self._one("SELECT * FROM neuroai_keys WHERE id = ?", key_id)

    def all(self) -> list[NeuroAiKey]:
        """Every key, oldest first."""
        return self.after(0, -1)  # SQLite takes a negative limit for none

    def after(self, number: int, count: int) -> list[NeuroAiKey]:
        """So many keys, oldest first, that were made after the one of this number."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM neuroai_keys WHERE number > ? ORDER BY number LIMIT ?", (number, count)
            ).fetchall()
        return [_key(row) for row in rows]

    def update(self, key: NeuroAiKey, traits: Traits) -> NeuroAiKey:
        """Give a key other traits; its type stays."""
        columns = _columns(traits)
        places = ", ".join(f"{column} = :{column}" for column in columns)
        with self._database.transaction() as connection:
            connection.execute(
                f"UPDATE neuroai_keys SET {places} WHERE id = :id",  # noqa: S608
                {**columns, "id": key.id},
            )
            return _found(connection, key.id)

    def rotate(self, key: NeuroAiKey) -> tuple[NeuroAiKey, str]:
        """Give a key another secret; the old one is dead."""
        secret = _new_secret()
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE neuroai_keys SET key_hash = ?, key_prefix = ?, rotated_at = ? WHERE id = ?",
                (digest(secret), secret[:_SHOWN], self._clock(), key.id),
            )
            return _found(connection, key.id), secret

    def touch(self, key: NeuroAiKey) -> NeuroAiKey:
        """Note that a key is used now."""
        now = self._clock()
        with self._database.transaction() as connection:
            connection.execute("UPDATE neuroai_keys SET last_used_at = ? WHERE id = ?", (now, key.id))
        return replace(key, last_used_at=now)

    def delete(self, key_id: str) -> bool:
        """End a key for ever: whether there was one."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM neuroai_keys WHERE id = ?", (key_id,)).rowcount > 0

    def revoke(self, name: str) -> None:
        """End a key, named by its secret or its id.

        Raises:
            ConfigurationError: There is no such key.
        """
        key = self.by_secret(name) or self.by_id(name)
        if key is None or not self.delete(key.id):
            raise ConfigurationError("The sandbox has no such NeuroAI key.")

    def deactivate(self, user: str) -> None:
        """Deactivate an account: its personal keys end with it, those of its teams and services stay."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM neuroai_keys WHERE user = ? AND type = 'personal'", (user,))

    def _one(self, query: str, value: str) -> NeuroAiKey | None:
        with self._database.transaction() as connection:
            row = connection.execute(query, (value,)).fetchone()
        return None if row is None else _key(row)


def _new_secret() -> str:
    return f"nai_{secrets.token_hex(20)}"


def _columns(traits: Traits) -> dict[str, object]:
    custom, limit = traits.custom_permissions, traits.rate_limit
    return {
        "name": traits.name,
        "description": traits.description,
        "role": traits.role,
        "custom_permissions": None if custom is None else json.dumps(custom),
        "expires_at": traits.expires_at,
        "referrers": json.dumps(traits.referrers),
        "rate_requests": None if limit is None else limit.requests,
        "rate_seconds": None if limit is None else limit.per_seconds,
    }


def _found(connection: sqlite3.Connection, key_id: str) -> NeuroAiKey:
    row = connection.execute("SELECT * FROM neuroai_keys WHERE id = ?", (key_id,)).fetchone()
    if row is None:  # another process deleted it since it was looked up
        raise NeuroAiRefused("not_found", "API key not found")
    return _key(row)


def _key(row: sqlite3.Row) -> NeuroAiKey:
    custom, ceiling = row["custom_permissions"], row["ceiling"]
    traits = Traits(
        name=row["name"],
        description=row["description"],
        role=row["role"],
        type=row["type"],
        custom_permissions=None if custom is None else tuple(json.loads(custom)),
        expires_at=row["expires_at"],
        referrers=tuple(json.loads(row["referrers"])),
        rate_limit=None
        if row["rate_requests"] is None
        else RateLimit(row["rate_requests"], row["rate_seconds"]),
    )
    return NeuroAiKey(
        number=row["number"],
        id=row["id"],
        key_prefix=row["key_prefix"],
        traits=traits,
        user=row["user"],
        ceiling=None if ceiling is None else frozenset(json.loads(ceiling)),
        created_at=row["created_at"],
        rotated_at=row["rotated_at"],
        last_used_at=row["last_used_at"],
    )
