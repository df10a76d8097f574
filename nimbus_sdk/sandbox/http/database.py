"""The sandbox's SQLite database: its tables, one connection with a lock, and the clock of what is stored."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nimbus_sdk.errors import ConfigurationError

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


class Database:
    """One SQLite connection shared by the server's thread and its owner's.

    Args:
        path: The file, created if missing; None is a database in memory.
        clock: The time of the sandbox.

    Raises:
        ConfigurationError: The file cannot be opened or is not an SQLite database.
    """

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
