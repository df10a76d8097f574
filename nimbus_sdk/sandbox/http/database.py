"""The sandbox's SQLite database: its tables, and one connection with a lock."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.times import iso, iso_or_none

Values = Sequence[object] | Mapping[str, object]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    key_hash TEXT PRIMARY KEY, masked TEXT NOT NULL, kind TEXT NOT NULL, tier TEXT NOT NULL,
    features TEXT NOT NULL, monthly_limit INTEGER, used INTEGER NOT NULL, month TEXT NOT NULL,
    user_id TEXT NOT NULL, email TEXT NOT NULL, name TEXT, organization TEXT,
    created_at REAL NOT NULL, expires_at REAL, revoked_at REAL, block_when_exhausted TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, fingerprint TEXT NOT NULL, action TEXT NOT NULL, reason TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS events (
    event_id TEXT PRIMARY KEY, at REAL NOT NULL, fingerprint TEXT NOT NULL, event_type TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tokens (
    token_hash TEXT PRIMARY KEY, key_hash TEXT NOT NULL, expires_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS nimbus_os_keys (
    key_hash TEXT PRIMARY KEY, masked TEXT NOT NULL, environment TEXT NOT NULL, permissions TEXT NOT NULL,
    created_at REAL NOT NULL, revoked_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS neuroai_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key_hash TEXT NOT NULL UNIQUE,
    key_prefix TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, role TEXT, type TEXT NOT NULL,
    custom_permissions TEXT, user TEXT NOT NULL, ceiling TEXT, expires_at REAL, referrers TEXT NOT NULL,
    rate_requests INTEGER, rate_seconds INTEGER, created_at REAL NOT NULL, rotated_at REAL, last_used_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS neuroai_audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, key_id TEXT, method TEXT NOT NULL,
    path TEXT NOT NULL, status INTEGER NOT NULL, code TEXT, ip TEXT NOT NULL, referrer TEXT,
    request_id TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS nexus_keys (
    key_hash TEXT PRIMARY KEY, integration_id TEXT NOT NULL, organization_id TEXT NOT NULL,
    agent_id TEXT NOT NULL, permissions TEXT NOT NULL, expires_at INTEGER NOT NULL, created_at REAL NOT NULL,
    revoked_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS nexus_disabled (id TEXT PRIMARY KEY) STRICT;
"""


class Database:
    """One SQLite connection shared by the server's thread and its owner's.

    Args:
        path: The file, created if missing; None is a database in memory.

    Raises:
        ConfigurationError: The file cannot be opened or is not an SQLite database.
    """

    def __init__(self, path: Path | None) -> None:
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
        """Run the statements inside as one transaction, also against other processes."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def execute(self, statement: str, values: Values = ()) -> int:
        """Run one statement and return the number of rows that it changed."""
        with self.transaction() as connection:
            return connection.execute(statement, values).rowcount

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Insert one row, given by column."""
        columns, parameters = ", ".join(row), ", ".join(f":{column}" for column in row)
        self.execute(f"INSERT INTO {table} ({columns}) VALUES ({parameters})", row)  # noqa: S608

    def fetch_one(self, query: str, values: Values = ()) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        rows = self.fetch_all(query, values)
        return rows[0] if rows else None

    def fetch_all(self, query: str, values: Values = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self.transaction() as connection:
            return connection.execute(query, values).fetchall()

    def revoke(self, table: str, key_hash: str, now: float) -> bool:
        """Mark an active key of a table as revoked; return whether there was one."""
        statement = f"UPDATE {table} SET revoked_at = ? WHERE key_hash = ? AND revoked_at IS NULL"  # noqa: S608
        return self.execute(statement, (now, key_hash)) > 0

    def list_keys(self, table: str, columns: str) -> list[dict[str, object]]:
        """Return these columns of a table of revocable keys as JSON values, oldest first."""
        query = f"SELECT {columns}, created_at, revoked_at FROM {table} ORDER BY created_at, rowid"  # noqa: S608
        return [
            {
                **dict(row),
                "permissions": json.loads(row["permissions"]),
                "created_at": iso(row["created_at"]),
                "revoked_at": iso_or_none(row["revoked_at"]),
            }
            for row in self.fetch_all(query)
        ]

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
