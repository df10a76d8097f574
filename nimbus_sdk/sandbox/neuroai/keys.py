"""Keys of NeuroAI from creation to deletion."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database, KeyStore, StoredKey
from nimbus_sdk.sandbox.http.responses import HttpError, iso, iso_or_none
from nimbus_sdk.sandbox.neuroai.key_fields import KeyFields, KeyType, parse_key_fields

_PREFIX_LENGTH = 12


@dataclass(frozen=True, slots=True)
class NeuroAiKey:
    """One key: as it is stored, and the fields that its owner can set."""

    stored: StoredKey
    fields: KeyFields

    def is_expired(self, now: float) -> bool:
        """Return whether the key is expired at a Unix second."""
        return self.fields.expires_at is not None and self.fields.expires_at <= now

    def to_json(self) -> dict[str, object]:
        """Return the key as list, get, update and verify show it, without its secret."""
        return {
            "id": self.stored.id,
            **self.fields.model_dump(),
            "permissions": self.fields.granted_permissions,
            "expires_at": iso_or_none(self.fields.expires_at),
            "created_at": iso(self.stored.created_at),
            "rotated_at": iso_or_none(self.stored.fields["rotated_at"]),
            "last_used_at": iso_or_none(self.stored.fields["last_used_at"]),
            "key_prefix": self.stored.masked,
        }


class NeuroAiKeys:
    """The NeuroAI keys of one database; the part of a secret that is shown is its first characters."""

    def __init__(self, database: Database) -> None:
        self.store = KeyStore(database, "neuroai", "NeuroAI key")
        self._clock = database.clock

    def add(self, fields: KeyFields, user: str, ceiling: list[str] | None) -> tuple[NeuroAiKey, str]:
        """Add a key of an account and return it with its secret, which cannot be read later.

        The ceiling is what a personal key cannot exceed: the permissions of its creator.
        """
        secret = _new_secret()
        stored = {
            "settings": fields.model_dump(),
            "user": user,
            "ceiling": ceiling,
            "rotated_at": None,
            "last_used_at": None,
        }
        key_id = f"key_{secrets.token_hex(8)}"
        return _key(self.store.add(secret, secret[:_PREFIX_LENGTH], stored, key_id)), secret

    def create(
        self,
        *,
        role: str | None = "Administrator",
        name: str = "sandbox",
        description: str = "",
        type: KeyType = "team",
        permissions: Collection[str] | None = None,
        expires_at: datetime | None = None,
        referrers: Collection[str] = (),
        rate_limit: Mapping[str, int] | None = None,
        user: str = "usr_sandbox",
    ) -> str:
        """Create a key and return its secret in plain; it cannot be read later.

        Args:
            role: ``Viewer``, ``Developer``, ``Administrator`` or ``API Manager``; any with permissions.
            name: Text for people.
            description: Text for people.
            type: ``personal``, ``team`` or ``service``.
            permissions: The key's own, instead of its role's; None takes the role's.
            expires_at: Aware time from which it is rejected; None is never, a past time makes an expired key.
            referrers: Domains, addresses and networks it can be used from; empty is anywhere.
            rate_limit: ``{"requests": n, "per_seconds": n}``; None means no limit.
            user: The account that owns it.

        Raises:
            ConfigurationError: An option is invalid.
        """
        if not isinstance(user, str) or not user:
            raise ConfigurationError("user must be the id of an account, such as 'usr_sandbox'.")
        if isinstance(permissions, str) or isinstance(referrers, str):
            raise ConfigurationError("permissions and referrers must be collections of texts.")
        body = {
            "role": role,
            "name": name,
            "description": description,
            "type": type,
            "permissions": None if permissions is None else list(permissions),
            "expires_at": None if expires_at is None else expires_at.isoformat(),
            "referrers": list(referrers),
            "rate_limit": None if rate_limit is None else dict(rate_limit),
        }
        try:
            fields = parse_key_fields(body)
        except HttpError as error:
            raise ConfigurationError(f"The NeuroAI key is invalid: {error.message}") from error
        return self.add(fields, user, None)[1]

    def find(self, secret: str) -> NeuroAiKey | None:
        """Return the key of this secret, or None."""
        stored = self.store.find(secret)
        return None if stored is None else _key(stored)

    def find_by_id(self, key_id: str) -> NeuroAiKey | None:
        """Return the key of this id, or None."""
        stored = self.store.find_by_id(key_id)
        return None if stored is None else _key(stored)

    def page(self, after: int, count: int) -> list[tuple[int, object]]:
        """Return the keys created after the one of a number as JSON, oldest first, with their numbers."""
        return [(stored.number, _key(stored).to_json()) for stored in self.store.list_active(after, count)]

    def list_all(self) -> list[object]:
        """Return all keys for listings, oldest first."""
        return [_key(stored).to_json() for stored in self.store.list_active()]

    def update(self, key: NeuroAiKey, fields: KeyFields) -> NeuroAiKey:
        """Change the fields of a key."""
        return _key(self.store.update(key.stored, settings=fields.model_dump()))

    def rotate(self, key: NeuroAiKey) -> tuple[NeuroAiKey, str]:
        """Give a key a new secret; the old one is invalid at once."""
        secret = _new_secret()
        self.store.set_secret(key.stored, secret, secret[:_PREFIX_LENGTH])
        return _key(self.store.update(key.stored, rotated_at=self._clock())), secret

    def mark_used(self, key: NeuroAiKey) -> NeuroAiKey:
        """Record that a key is used now."""
        return _key(self.store.update(key.stored, last_used_at=self._clock()))

    def deactivate_user(self, user: str) -> None:
        """Deactivate an account: its personal keys are deleted, those of its teams and services stay."""
        for stored in self.store.list_active():
            if stored.fields["user"] == user and stored.fields["settings"]["type"] == "personal":
                self.store.revoke(stored.id)


def _new_secret() -> str:
    return f"nai_{secrets.token_hex(20)}"


def _key(stored: StoredKey) -> NeuroAiKey:
    return NeuroAiKey(stored, KeyFields.model_construct(**stored.fields["settings"]))
