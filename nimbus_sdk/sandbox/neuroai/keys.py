"""Keys of NeuroAI from creation to deletion; a secret is stored as its SHA-256 and its first characters."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.errors import HttpError
from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.key_fields import KeyFields, RateLimit, parse_key_fields

KeyType = Literal["personal", "team", "service"]
_PREFIX_LENGTH = 12


class NeuroAiKeyOptions(TypedDict, total=False):
    """The keyword arguments of :meth:`NeuroAiKeys.create`."""

    role: str | None
    name: str
    description: str
    type: KeyType
    permissions: Collection[str] | None
    expires_at: datetime | None
    referrers: Collection[str]
    rate_limit: Mapping[str, int] | None
    user: str


@dataclass(frozen=True, slots=True)
class NeuroAiKey:
    """One key.

    Attributes:
        number: Position in the order of creation.
        id: ``key_`` and 16 hexadecimal digits.
        key_prefix: The first characters of the secret.
        fields: The fields that its owner can set.
        user: The account that owns it.
        ceiling: The permissions of its creator, which a personal key cannot exceed; None is no ceiling.
        created_at: Unix second.
        rotated_at: Unix second of the last rotation, or None.
        last_used_at: Unix second of the last use, or None.
    """

    number: int
    id: str
    key_prefix: str
    fields: KeyFields
    user: str
    ceiling: frozenset[str] | None
    created_at: float
    rotated_at: float | None
    last_used_at: float | None


class NeuroAiKeys:
    """The NeuroAI keys of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, fields: KeyFields, user: str, ceiling: Sequence[str] | None) -> tuple[NeuroAiKey, str]:
        """Add a key and return it with its secret, which cannot be read later."""
        key_id, secret = f"key_{secrets.token_hex(8)}", _new_secret()
        row = {
            "id": key_id,
            "key_hash": digest(secret),
            "key_prefix": secret[:_PREFIX_LENGTH],
            **_columns(fields),
            "type": fields.type,
            "user": user,
            "ceiling": None if ceiling is None else json.dumps(list(ceiling)),
            "created_at": self._clock(),
        }
        self._database.insert("neuroai_keys", row)
        return self._require(key_id), secret

    def create(
        self,
        *,
        role: str | None = "Administrator",
        name: str = "sandbox",
        description: str = "",
        type: KeyType = "team",
        permissions: Collection[str] | None = None,
        expires_at: datetime | None = None,
        referrers: Collection[str] = (),
        rate_limit: Mapping[str, int] | None = None,
        user: str = "usr_sandbox",
    ) -> str:
        """Create a key and return its secret in plain; it cannot be read later.

        Args:
            role: ``Viewer``, ``Developer``, ``Administrator`` or ``API Manager``; any with permissions.
            name: Text for people.
            description: Text for people.
            type: ``personal``, ``team`` or ``service``.
            permissions: The key's own, instead of its role's; None takes the role's.
            expires_at: Aware time from which it is rejected; None is never, a past time makes an expired key.
            referrers: Domains, addresses and networks it can be used from; empty is anywhere.
            rate_limit: ``{"requests": n, "per_seconds": n}``; None is no limit.
            user: The account that owns it.

        Raises:
            ConfigurationError: An option is invalid.
        """
        if not isinstance(user, str) or not user:
            raise ConfigurationError("user must be the id of an account, such as 'usr_sandbox'.")
        if isinstance(permissions, str) or isinstance(referrers, str):
            raise ConfigurationError("permissions and referrers must be collections of texts.")
        body = {
            "role": role,
            "name": name,
            "description": description,
            "type": type,
            "permissions": None if permissions is None else list(permissions),
            "expires_at": None if expires_at is None else expires_at.isoformat(),
            "referrers": list(referrers),
            "rate_limit": None if rate_limit is None else dict(rate_limit),
        }
        try:
            fields = parse_key_fields(body)
        except ValueError as error:
            raise ConfigurationError(f"The NeuroAI key is invalid: {error}") from error
        return self.add(fields, user, None)[1]

    def by_secret(self, secret: str) -> NeuroAiKey | None:
        """Return the key of this secret, or None."""
        return self._find("key_hash", digest(secret))

    def by_id(self, key_id: str) -> NeuroAiKey | None:
        """Return the key of this id, or None."""
        return self._find("id", key_id)

    def list_all(self) -> list[NeuroAiKey]:
        """Return all keys, oldest first."""
        return self.page(0, -1)  # a negative LIMIT of SQLite is no limit

    def page(self, after: int, count: int) -> list[NeuroAiKey]:
        """Return the keys created after the one of a number, oldest first."""
        rows = self._database.fetch_all(
            "SELECT * FROM neuroai_keys WHERE number > ? ORDER BY number LIMIT ?", (after, count)
        )
        return [_key(row) for row in rows]

    def update(self, key: NeuroAiKey, fields: KeyFields) -> NeuroAiKey:
        """Change the fields of a key except its type."""
        return self._set(key, _columns(fields))

    def rotate(self, key: NeuroAiKey) -> tuple[NeuroAiKey, str]:
        """Give a key a new secret; the old one is invalid at once."""
        secret = _new_secret()
        columns = {
            "key_hash": digest(secret),
            "key_prefix": secret[:_PREFIX_LENGTH],
            "rotated_at": self._clock(),
        }
        return self._set(key, columns), secret

    def mark_used(self, key: NeuroAiKey) -> NeuroAiKey:
        """Record that a key is used now."""
        now = self._clock()
        self._database.execute("UPDATE neuroai_keys SET last_used_at = ? WHERE id = ?", (now, key.id))
        return replace(key, last_used_at=now)

    def delete(self, key_id: str) -> bool:
        """Delete a key for ever; return whether there was one."""
        return self._database.execute("DELETE FROM neuroai_keys WHERE id = ?", (key_id,)) > 0

    def revoke(self, name: str) -> None:
        """Delete a key by its secret or its id.

        Raises:
            ConfigurationError: There is no such key.
        """
        key = self.by_secret(name) or self.by_id(name)
        if key is None or not self.delete(key.id):
            raise ConfigurationError("The sandbox has no such NeuroAI key.")

    def deactivate_user(self, user: str) -> None:
        """Deactivate an account: its personal keys are deleted, those of its teams and services stay."""
        self._database.execute("DELETE FROM neuroai_keys WHERE user = ? AND type = 'personal'", (user,))

    def _set(self, key: NeuroAiKey, columns: Mapping[str, object]) -> NeuroAiKey:
        assignments = ", ".join(f"{column} = :{column}" for column in columns)
        statement = f"UPDATE neuroai_keys SET {assignments} WHERE id = :id"  # noqa: S608
        self._database.execute(statement, {**columns, "id": key.id})
        return self._require(key.id)

    def _require(self, key_id: str) -> NeuroAiKey:
        key = self.by_id(key_id)
        if key is None:  # another process has deleted it meanwhile
            raise HttpError("not_found", "API key not found")
        return key

    def _find(self, column: str, value: str) -> NeuroAiKey | None:
        row = self._database.fetch_one(f"SELECT * FROM neuroai_keys WHERE {column} = ?", (value,))  # noqa: S608
        return None if row is None else _key(row)


def _new_secret() -> str:
    return f"nai_{secrets.token_hex(20)}"


def _columns(fields: KeyFields) -> dict[str, object]:
    custom, limit = fields.custom_permissions, fields.rate_limit
    return {
        "name": fields.name,
        "description": fields.description,
        "role": fields.role,
        "custom_permissions": None if custom is None else json.dumps(custom),
        "expires_at": fields.expires_at,
        "referrers": json.dumps(fields.referrers),
        "rate_requests": None if limit is None else limit.requests,
        "rate_seconds": None if limit is None else limit.per_seconds,
    }


def _key(row: sqlite3.Row) -> NeuroAiKey:
    custom, ceiling = row["custom_permissions"], row["ceiling"]
    fields = KeyFields(
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
        fields=fields,
        user=row["user"],
        ceiling=None if ceiling is None else frozenset(json.loads(ceiling)),
        created_at=row["created_at"],
        rotated_at=row["rotated_at"],
        last_used_at=row["last_used_at"],
    )
