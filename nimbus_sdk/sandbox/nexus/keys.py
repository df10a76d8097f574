"""Keys of Nexus: what each integration may do, and which integrations and agents are switched off.

A key is stored as its SHA-256 beside its claims, and known again by it: a text that was changed, or signed by
anybody else, is no key of the sandbox. The secret that signs is random and kept nowhere.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.times import Clock, iso

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NexusKeyFields(TypedDict, total=False):
    """The fields of :class:`NewNexusKey`, as keyword arguments."""

    permissions: Collection[str]
    expires_in: float
    integration_id: str | None
    organization_id: str
    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNexusKey:
    """A key that is wanted.

    Attributes:
        permissions: The claim of that name; a thread needs ``write``.
        expires_in: Seconds until it expires; 0 and below make one that has expired.
        integration_id: The integration it belongs to; None makes a new one.
        organization_id: The claim ``organizationId``.
        agent_id: The claim ``agentId``.

    Raises:
        ConfigurationError: An id or a permission that is no such thing.
    """

    permissions: Collection[str] = ("read", "write")
    expires_in: float = 3600.0
    integration_id: str | None = None
    organization_id: str = "org_sandbox"
    agent_id: str = "agt_sandbox"

    def __post_init__(self) -> None:
        given = (self.integration_id or "int_new", self.organization_id, self.agent_id)
        if wrong := [name for name in given if not _ID.fullmatch(name)]:
            raise ConfigurationError(f"{wrong[0]!r} is no id: letters, digits, _ and - make one.")
        if isinstance(self.permissions, str) or not all(isinstance(name, str) for name in self.permissions):
            raise ConfigurationError("permissions is a collection of names, such as ('read', 'write').")


@dataclass(frozen=True, slots=True)
class NexusKey:
    """What the sandbox knows of one key that is neither expired nor revoked."""

    integration_id: str
    agent_id: str
    permissions: frozenset[str]


class NexusKeys:
    """The Nexus keys of one database.

    Args:
        database: Where they are kept.
        clock: Tells Unix seconds.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    def create(self, wanted: NewNexusKey) -> str:
        """Make a key and return it, plain, this once."""
        now = self._clock()
        claims = Claims(
            integrationId=wanted.integration_id or f"int_{secrets.token_hex(8)}",
            organizationId=wanted.organization_id,
            agentId=wanted.agent_id,
            permissions=list(wanted.permissions),
            exp=int(now + wanted.expires_in),
        )
        key = sign(claims, self._secret)
        values = (
            digest(key),
            claims["integrationId"],
            claims["organizationId"],
            claims["agentId"],
            json.dumps(claims["permissions"]),
            claims["exp"],
            now,
        )
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO nexus_keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", values)
        return key

    def active(self, key: str) -> NexusKey | None:
        """What a key may do; None where it is not ours, expired or revoked."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM nexus_keys WHERE key_hash = ? AND revoked_at IS NULL AND expires_at > ?",
                (digest(key), self._clock()),
            ).fetchone()
        if row is None:
            return None
        return NexusKey(row["integration_id"], row["agent_id"], frozenset(json.loads(row["permissions"])))

    def revoke(self, key: str) -> None:
        """Make a key stop working at once.

        Raises:
            ConfigurationError: No such key is active.
        """
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE nexus_keys SET revoked_at = ? WHERE key_hash = ? AND revoked_at IS NULL",
                (self._clock(), digest(key)),
            )
        if not done.rowcount:
            raise ConfigurationError("The sandbox has no such active Nexus key.")

    def disable(self, name: str) -> None:
        """Switch off an integration or an agent, named by its id: its keys are refused with 403."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO nexus_disabled VALUES (?)", (name,))

    def enable(self, name: str) -> None:
        """Switch an integration or an agent on again."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM nexus_disabled WHERE id = ?", (name,))

    def is_disabled(self, key: NexusKey) -> bool:
        """Whether the key's integration or agent is switched off."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT count(*) FROM nexus_disabled WHERE id IN (?, ?)", (key.integration_id, key.agent_id)
            ).fetchone()
        return bool(found[0])

    def listing(self) -> list[dict[str, object]]:
        """All keys by their claims, oldest first; nothing of the key itself."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM nexus_keys ORDER BY created_at, rowid").fetchall()
        return [
            {
                "integrationId": row["integration_id"],
                "organizationId": row["organization_id"],
                "agentId": row["agent_id"],
                "permissions": json.loads(row["permissions"]),
                "exp": row["expires_at"],
                "created_at": iso(row["created_at"]),
                "revoked_at": None if row["revoked_at"] is None else iso(row["revoked_at"]),
            }
            for row in rows
        ]


_ALGORITHM = "HS256"


class Claims(TypedDict):
    """What a key says of itself."""

    integrationId: str
    organizationId: str
    agentId: str
    permissions: Sequence[str]
    exp: int


def sign(claims: Claims, secret: bytes) -> str:
    """A key with these claims; no two are alike, for its head has an id."""
    # PyJWT comes with the sandbox extra, without which this module must still import.
    import jwt

    # The documented claims have no jti: two keys of one integration, made in one second, differ by their kid.
    return jwt.encode(dict(claims), secret, _ALGORITHM, headers={"kid": f"nxk_{secrets.token_hex(6)}"})
