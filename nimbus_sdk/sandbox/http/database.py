"""The sandbox's SQLite database: its tables, one connection with a lock, and the keys of all services.

A key is stored as its SHA-256, a masked text, and JSON fields.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.responses import iso, iso_or_none

Clock = Callable[[], float]
"""Returns Unix seconds."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    number INTEGER PRIMARY KEY, service TEXT NOT NULL, id TEXT NOT NULL UNIQUE,
    key_hash TEXT NOT NULL UNIQUE, masked TEXT NOT NULL, fields TEXT NOT NULL, created_at REAL NOT NULL,
    revoked_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS keys_of_service ON keys (service, number);
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, fingerprint TEXT NOT NULL, action TEXT NOT NULL, reason TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS events (
    event_id TEXT PRIMARY KEY, at REAL NOT NULL, fingerprint TEXT NOT NULL, event_type TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tokens (
    token_hash TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, expires_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS neuroai_log (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, entry TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS nexus_disabled (id TEXT PRIMARY KEY) STRICT;
"""
_FINGERPRINT_LENGTH = 12
_SELECT = "SELECT number, id, masked, fields, created_at, revoked_at FROM keys WHERE service = ? "


class Database:
    """One connection shared by the server's thread and its owner's; without a path it is in memory."""

    def __init__(self, path: Path | None, clock: Clock = time.time) -> None:
        self.clock = clock
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=5, isolation_level=None, check_same_thread=False
            )
            try:
                self._connection.row_factory = sqlite3.Row
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.executescript(_SCHEMA)
            except sqlite3.Error:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"The sandbox cannot use {path} as its database: {error}.",
                hint="Give a file that the sandbox created, or one that does not exist yet.",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the statements inside as one transaction, also against other processes; it can be nested."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run one statement and return the number of the last row that was inserted."""
        with self.transaction() as connection:
            return connection.execute(statement, values).lastrowid or 0

    def fetch_all(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self.transaction() as connection:
            return connection.execute(query, values).fetchall()

    def is_available(self) -> bool:
        """Return whether the database can run a transaction."""
        try:
            self.fetch_all("SELECT count(*) FROM keys")
        except sqlite3.Error:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


class UnknownKeyError(ConfigurationError):
    """No such key is active."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key; ``masked`` and ``id`` may be shown, ``fields`` is what its service stores with it."""

    number: int
    id: str
    masked: str
    fields: dict[str, Any]
    created_at: float
    revoked_at: float | None

    def times_json(self) -> dict[str, object]:
        """Return for listings when it was created and revoked."""
        return {"created_at": iso(self.created_at), "revoked_at": iso_or_none(self.revoked_at)}


class KeyStore:
    """The keys of one service; the noun, such as ``active Nexus key``, is what errors call one of them."""

    def __init__(self, database: Database, service: str, noun: str) -> None:
        self._database = database
        self._service = service
        self._noun = noun

    def add(
        self, key: str, masked: str, fields: Mapping[str, object], key_id: str | None = None
    ) -> StoredKey:
        """Add a key; its id is the first 12 hexadecimal digits of its SHA-256 if omitted."""
        key_hash, now = digest(key), self._database.clock()
        key_id = key_id or key_hash[:_FINGERPRINT_LENGTH]
        statement = (
            "INSERT INTO keys (service, id, key_hash, masked, fields, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        )
        values = (self._service, key_id, key_hash, masked, json.dumps(fields), now)
        return StoredKey(self._database.execute(statement, values), key_id, masked, dict(fields), now, None)

    def find(self, key: str) -> StoredKey | None:
        """Return an active key, or None."""
        return next(iter(self._fetch("AND key_hash = ? AND revoked_at IS NULL", digest(key))), None)

    def find_by_id(self, key_id: str) -> StoredKey | None:
        """Return the active key of this id, or None."""
        return next(iter(self._fetch("AND id = ? AND revoked_at IS NULL", key_id)), None)

    def list_all(self) -> list[StoredKey]:
        """Return all keys, revoked ones too, oldest first."""
        return self._fetch("ORDER BY number")

    def list_active(self, after: int = 0, count: int = -1) -> list[StoredKey]:
        """Return the active keys after the one of a number, oldest first; a negative count is all."""
        return self._fetch("AND number > ? AND revoked_at IS NULL ORDER BY number LIMIT ?", after, count)

    def update(self, key: StoredKey, **changes: object) -> StoredKey:
        """Change fields of a key and return it."""
        with self._database.transaction() as connection:
            (current,) = self._fetch("AND number = ?", key.number)
            fields = {**current.fields, **changes}
            connection.execute(
                "UPDATE keys SET fields = ? WHERE number = ?", (json.dumps(fields), key.number)
            )
        return replace(current, fields=fields)

    def set_secret(self, key: StoredKey, secret: str, masked: str) -> None:
        """Replace the text of a key; the one it had is invalid at once."""
        statement = "UPDATE keys SET key_hash = ?, masked = ? WHERE number = ?"
        self._database.execute(statement, (digest(secret), masked, key.number))

    def revoke(self, key: str) -> str:
        """Revoke a key, given as the key or its id, at once and for ever; return its id.

        Raises:
            UnknownKeyError: No such key is active.
        """
        with self._database.transaction() as connection:
            stored = self.find(key) or self.find_by_id(key)
            if stored is None:
                raise UnknownKeyError(f"The sandbox has no such {self._noun}.")
            values = (self._database.clock(), stored.number)
            connection.execute("UPDATE keys SET revoked_at = ? WHERE number = ?", values)
        return stored.id

    def _fetch(self, condition: str, *values: object) -> list[StoredKey]:
        rows = self._database.fetch_all(_SELECT + condition, (self._service, *values))
        return [StoredKey(**{**dict(row), "fields": json.loads(row["fields"])}) for row in rows]
