"""NeuroAI's audit log: every request that came to it, whoever it came from, and what became of it.

Source: "Monitoring and Logging" of the NeuroAI documentation: usage, failed attempts, unexpected locations.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import mask_text
from nimbus_sdk.sandbox.http.times import Clock, iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to NeuroAI.

    Attributes:
        key_id: The key it came with; None where that is unknown.
        method: HTTP method.
        path: The path, without the query.
        status: HTTP status of the answer.
        code: Error code of the answer, or None.
        ip: The peer's address.
        referrer: The ``Referer`` header, or None.
        request_id: ``X-Request-ID`` of the exchange.
    """

    key_id: str | None
    method: str
    path: str
    status: int
    code: str | None
    ip: str
    referrer: str | None
    request_id: str


class NeuroAiAudit:
    """The audit log of one database.

    Args:
        database: Where it is kept.
        clock: Tells Unix seconds.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, attempt: Attempt) -> None:
        """Keep one request, secrets in it masked."""
        row = (
            self._clock(),
            attempt.key_id,
            attempt.method,
            mask_text(attempt.path),
            attempt.status,
            attempt.code,
            attempt.ip,
            None if attempt.referrer is None else mask_text(attempt.referrer.partition("?")[0]),
            mask_text(attempt.request_id),
        )
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO neuroai_audit VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def after(self, number: int, count: int) -> list[tuple[int, dict[str, object]]]:
        """So many entries with their numbers, oldest first, after the one of this number."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM neuroai_audit WHERE number > ? ORDER BY number LIMIT ?", (number, count)
            ).fetchall()
        return [(row["number"], _entry(row)) for row in rows]


def _entry(row: sqlite3.Row) -> dict[str, object]:
    return {
        "id": f"log_{row['number']}",
        "created_at": iso(row["at"]),
        "key_id": row["key_id"],
        "method": row["method"],
        "path": row["path"],
        "status": row["status"],
        "code": row["code"],
        "ip": row["ip"],
        "referrer": row["referrer"],
        "request_id": row["request_id"],
    }
