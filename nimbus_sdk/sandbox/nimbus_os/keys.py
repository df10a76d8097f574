"""Keys of Nimbus OS: one environment each, made, found, listed and revoked; stored as SHA-256 alone.

Source: the sections "Getting an API Key" and "Key Management" of the Nimbus OS authentication page.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import MASK, digest
from nimbus_sdk.sandbox.http.times import Clock, iso

PERMISSIONS = ("orders:read", "orders:write")


class NimbusOsKeyFields(TypedDict, total=False):
    """The fields of :class:`NewNimbusOsKey`, as keyword arguments."""

    environment: Environment
    permissions: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNimbusOsKey:
    """A key that is wanted.

    Attributes:
        environment: ``sandbox`` or ``production``: the key is unknown in the other one.
        permissions: What it may do, of ``orders:read`` and ``orders:write``.

    Raises:
        ConfigurationError: There is no such environment or permission.
    """

    environment: Environment = "sandbox"
    permissions: Collection[str] = PERMISSIONS

    def __post_init__(self) -> None:
        checked_environment(self.environment)
        if unknown := sorted(set(self.permissions) - set(PERMISSIONS)):
            raise ConfigurationError(
                f"Nimbus OS knows no permission {', '.join(unknown)} here.",
                hint=f"Choose of {', '.join(PERMISSIONS)}.",
            )


class NimbusOsKeys:
    """The Nimbus OS keys of one database.

    Args:
        database: Where they are kept.
        clock: Tells Unix seconds.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, wanted: NewNimbusOsKey) -> str:
        """Make a key and return it, plain, this once."""
        prefix = f"nos_{wanted.environment}_"
        key = prefix + secrets.token_hex(20)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO nimbus_os_keys VALUES (?, ?, ?, ?, ?, NULL)",
                (
                    digest(key),
                    f"{prefix}{MASK}{key[-4:]}",
                    wanted.environment,
                    json.dumps(sorted(wanted.permissions)),
                    self._clock(),
                ),
            )
        return key

    def permissions(self, key: str, environment: Environment) -> frozenset[str] | None:
        """What a key may do in an environment; None where it is unknown there or revoked."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT permissions FROM nimbus_os_keys"
                " WHERE key_hash = ? AND environment = ? AND revoked_at IS NULL",
                (digest(key), environment),
            ).fetchone()
        return None if row is None else frozenset(json.loads(row["permissions"]))

    def revoke(self, key: str) -> None:
        """Make a key stop working at once.

        Raises:
            ConfigurationError: No such key is active.
        """
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE nimbus_os_keys SET revoked_at = ? WHERE key_hash = ? AND revoked_at IS NULL",
                (self._clock(), digest(key)),
            )
        if not done.rowcount:
            raise ConfigurationError("The sandbox has no such active Nimbus OS key.")

    def listing(self) -> list[dict[str, object]]:
        """All keys, oldest first, masked."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM nimbus_os_keys ORDER BY created_at, rowid").fetchall()
        return [
            {
                "key": row["masked"],
                "environment": row["environment"],
                "permissions": json.loads(row["permissions"]),
                "created_at": iso(row["created_at"]),
                "revoked_at": None if row["revoked_at"] is None else iso(row["revoked_at"]),
            }
            for row in rows
        ]


Environment = Literal["sandbox", "production"]
ENVIRONMENTS: tuple[Environment, ...] = ("sandbox", "production")


def checked_environment(name: str) -> Environment:
    """The name of an environment.

    Raises:
        ConfigurationError: It is none.
    """
    for environment in ENVIRONMENTS:
        if environment == name:
            return environment
    raise ConfigurationError(
        f"Nimbus OS has no environment {name!r}.", hint=f"Take one of {', '.join(ENVIRONMENTS)}."
    )
