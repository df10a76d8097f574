"""Temporary GitHub tokens: issued to a key's holder, good for the releases of the core, then dead."""

from __future__ import annotations

import secrets
import string

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.times import Clock

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 36


class GithubTokens:
    """The tokens of one database, kept as their SHA-256."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def issue(self, key_hash: str, lifetime: float | None) -> tuple[str, float | None]:
        """Make a token.

        Args:
            key_hash: The key it is made for; it dies with that key.
            lifetime: Seconds it lives; None is for ever.

        Returns:
            The token, and the Unix second it expires at or None.
        """
        token = "ghp_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        expires_at = None if lifetime is None else self._clock() + lifetime
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?)", (digest(token), key_hash, expires_at))
        return token, expires_at

    def admits(self, token: str) -> bool:
        """Whether the token was issued here and lives."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT expires_at FROM tokens WHERE token_hash = ?", (digest(token),)
            ).fetchone()
        return row is not None and (row["expires_at"] is None or row["expires_at"] > self._clock())

    def revoke_all(self) -> None:
        """Kill every token at once, as a rotation on the service's side does."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM tokens")
