"""NeuroAI's audit log: every request, with or without a valid key, and its outcome.

Source: "Monitoring and Logging" of the NeuroAI documentation: usage, failed attempts, unexpected locations.
"""

from __future__ import annotations

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import mask_text
from nimbus_sdk.sandbox.http.requests import Request
from nimbus_sdk.sandbox.http.times import Clock, iso


class NeuroAiAudit:
    """The audit log of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(self, request: Request, key_id: str | None, status: int, code: str | None) -> None:
        """Record one request with its outcome, secrets masked; ``key_id`` is None if the key is unknown."""
        referrer = request.headers.get("referer")
        row = {
            "at": self._clock(),
            "key_id": key_id,
            "method": request.method,
            "path": mask_text(request.path.removeprefix("/neuroai")),
            "status": status,
            "code": code,
            "ip": request.client_address,
            "referrer": None if referrer is None else mask_text(referrer.partition("?")[0]),
            "request_id": mask_text(request.request_id),
        }
        self._database.insert("neuroai_audit", row)

    def page(self, after: int, count: int) -> list[tuple[int, dict[str, object]]]:
        """Return the entries after the one of a number, oldest first, with their numbers."""
        rows = self._database.fetch_all(
            "SELECT * FROM neuroai_audit WHERE number > ? ORDER BY number LIMIT ?", (after, count)
        )
        columns = ("key_id", "method", "path", "status", "code", "ip", "referrer", "request_id")
        return [
            (
                row["number"],
                {
                    "id": f"log_{row['number']}",
                    "created_at": iso(row["at"]),
                    **{column: row[column] for column in columns},
                },
            )
            for row in rows
        ]
