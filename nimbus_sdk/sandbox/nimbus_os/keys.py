"""Keys of Nimbus OS: valid in one environment each; stored as their SHA-256.

Source: the sections "Getting an API Key" and "Key Management" of the Nimbus OS authentication page.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Literal

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.suggestions import list_choices
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.key_store import KeyStore
from nimbus_sdk.sandbox.http.masking import MASK
from nimbus_sdk.sandbox.http.times import Clock

Environment = Literal["sandbox", "production"]
ENVIRONMENTS: tuple[Environment, ...] = ("sandbox", "production")
PERMISSIONS = ("orders:read", "orders:write")


class NimbusOsKeys:
    """The Nimbus OS keys of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.store = KeyStore(database, clock, "nimbus_os", "active Nimbus OS key")

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
                hint=list_choices(unknown[0], PERMISSIONS),
            )
        prefix = f"nos_{environment}_"
        key = prefix + secrets.token_hex(20)
        fields = {"environment": environment, "permissions": sorted(permissions)}
        self.store.add(key, f"{prefix}{MASK}{key[-4:]}", fields)
        return key

    def permissions(self, key: str, environment: Environment) -> list[str] | None:
        """Return the permissions of a key; None if it is unknown in this environment or revoked."""
        stored = self.store.find(key)
        if stored is None or stored.fields["environment"] != environment:
            return None
        return list(stored.fields["permissions"])

    def list_all(self) -> list[dict[str, object]]:
        """Return all keys for listings, oldest first, masked."""
        return [
            {"key": key.masked, "fingerprint": key.id, **key.fields, **key.times_json()}
            for key in self.store.list_all()
        ]


def require_environment(name: str) -> None:
    """Raise a ConfigurationError unless there is an environment of this name."""
    if name not in ENVIRONMENTS:
        raise ConfigurationError(
            f"Nimbus OS has no environment {name!r}.", hint=list_choices(name, ENVIRONMENTS)
        )
