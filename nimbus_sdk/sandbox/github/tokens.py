"""Temporary GitHub tokens: issued to the owner of a key, valid for the releases of the core."""

from __future__ import annotations

import secrets
import string

from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.times import Clock

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 36


class GithubTokens:
    """The tokens of one database, stored as their SHA-256."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def issue(self, fingerprint: str, lifetime: float | None) -> tuple[str, float | None]:
        """Issue a token.

        Args:
            fingerprint: Fingerprint of the key that it is issued for; the token is revoked with that key.
            lifetime: Seconds until it expires; None is never.

        Returns:
            The token, and the Unix second at which it expires or None.
        """
        token = "ghp_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        expires_at = None if lifetime is None else self._clock() + lifetime
        row = {"token_hash": digest(token), "fingerprint": fingerprint, "expires_at": expires_at}
        self._database.insert("tokens", row)
        return token, expires_at

    def is_valid(self, token: str) -> bool:
        """Return whether the token was issued here and is neither expired nor revoked."""
        query = "SELECT 1 FROM tokens WHERE token_hash = ? AND (expires_at IS NULL OR expires_at > ?)"
        return bool(self._database.fetch_all(query, (digest(token), self._clock())))

    def revoke_all(self) -> None:
        """Revoke every token at once, as a rotation on the service's side does."""
        self._database.execute("DELETE FROM tokens")
