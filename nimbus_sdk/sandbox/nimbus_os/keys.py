"""Keys of Nimbus OS: valid in one environment each; stored as their SHA-256.

Source: the sections "Getting an API Key" and "Key Management" of the Nimbus OS authentication page.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from typing import Literal, TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.masking import MASK, digest
from nimbus_sdk.sandbox.http.times import Clock

Environment = Literal["sandbox", "production"]
ENVIRONMENTS: tuple[Environment, ...] = ("sandbox", "production")
PERMISSIONS = ("orders:read", "orders:write")


class NimbusOsKeyOptions(TypedDict, total=False):
    """The keyword arguments of :meth:`NimbusOsKeys.create`."""

    environment: Environment
    permissions: Collection[str]


class NimbusOsKeys:
    """The Nimbus OS keys of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, *, environment: Environment = "sandbox", permissions: Collection[str] = PERMISSIONS
    ) -> str:
        """Create a key and return it in plain; it cannot be read later.

        Args:
            environment: ``sandbox`` or ``production``: the key is unknown in the other one.
            permissions: Any of ``orders:read`` and ``orders:write``.

        Raises:
            ConfigurationError: There is no such environment or permission.
        """
        require_environment(environment)
        if unknown := sorted(set(permissions) - set(PERMISSIONS)):
            raise ConfigurationError(
                f"The sandbox's Nimbus OS has no permission {', '.join(unknown)}.",
                hint=f"Use {', '.join(PERMISSIONS)}.",
            )
        prefix = f"nos_{environment}_"
        key = prefix + secrets.token_hex(20)
        row = {
            "key_hash": digest(key),
            "masked": f"{prefix}{MASK}{key[-4:]}",
            "environment": environment,
            "permissions": json.dumps(sorted(permissions)),
            "created_at": self._clock(),
        }
        self._database.insert("nimbus_os_keys", row)
        return key

    def permissions(self, key: str, environment: Environment) -> frozenset[str] | None:
        """Return the permissions of a key; None if it is unknown in this environment or revoked."""
        row = self._database.fetch_one(
            "SELECT permissions FROM nimbus_os_keys"
            " WHERE key_hash = ? AND environment = ? AND revoked_at IS NULL",
            (digest(key), environment),
        )
        return None if row is None else frozenset(json.loads(row["permissions"]))

    def revoke(self, key: str) -> None:
        """Revoke a key at once.

        Raises:
            ConfigurationError: No such key is active.
        """
        if not self._database.revoke("nimbus_os_keys", digest(key), self._clock()):
            raise ConfigurationError("The sandbox has no such active Nimbus OS key.")

    def list_all(self) -> list[dict[str, object]]:
        """Return all keys for listings, oldest first, masked."""
        return self._database.list_keys("nimbus_os_keys", "masked AS key, environment, permissions")


def require_environment(name: str) -> None:
    """Raise an error unless there is an environment of this name.

    Raises:
        ConfigurationError: There is no such environment.
    """
    if name not in ENVIRONMENTS:
        raise ConfigurationError(
            f"Nimbus OS has no environment {name!r}.", hint=f"Use one of {', '.join(ENVIRONMENTS)}."
        )
