"""Keys of NeuroAI from creation to deletion, and the fields that their owner can set, parsed from JSON.

Field names on the wire are an assumption of this SDK: the documentation's samples are missing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database, KeyStore, StoredKey
from nimbus_sdk.sandbox.http.responses import HttpError, iso, iso_or_none

_PREFIX_LENGTH = 12
MAX_LENGTH = 200
MAX_ITEMS = 100
KeyType = Literal["personal", "team", "service"]
_DOMAIN = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")
_DEVELOPER = ("agents:read", "agents:write", "analytics:read")
_API_KEYS = ("api_keys:read", "api_keys:write", "audit_logs:read")
_API_MANAGER = (*_API_KEYS, "integrations:read", "integrations:write")
ROLES: Mapping[str, tuple[str, ...]] = {
    "Viewer": ("agents:read", "analytics:read"),
    "Developer": _DEVELOPER,
    "Administrator": (*_DEVELOPER, *_API_MANAGER, "users:read", "users:write"),
    "API Manager": _API_MANAGER,
}
LEAST_ROLE = "Viewer"


def _check_texts(values: object, info: ValidationInfo) -> object:
    texts = values if isinstance(values, list) else ()
    if not all(isinstance(text, str) and 0 < len(text) <= MAX_LENGTH for text in texts):
        raise ValueError(f"{info.field_name} is a list of texts of 1 to {MAX_LENGTH} characters.")
    return values


def _check_referrers(referrers: list[str]) -> list[str]:
    if wrong := [entry for entry in referrers if not is_referrer(entry)]:
        raise ValueError(f"{wrong[0]!r} is neither a domain nor an address nor a network.")
    return referrers


def _parse_time(value: object) -> object:
    # What is not a time stays a text, which the field rejects.
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return str(value) if time.tzinfo is None else time.timestamp()


_Texts = Annotated[list[str], Field(max_length=MAX_ITEMS), BeforeValidator(_check_texts)]
_RateLimit = dict[Literal["requests", "per_seconds"], Annotated[int, Field(gt=0, le=10**9)]]


class KeyFields(BaseModel):
    """The fields of one key that its owner can set; a description completes "{name} is …" in errors."""

    model_config = ConfigDict(strict=True, frozen=True)

    name: str = Field(
        pattern=r"\S", max_length=MAX_LENGTH, description=f"a text of 1 to {MAX_LENGTH} characters"
    )
    description: str = Field("", max_length=MAX_LENGTH, description=f"a text of 0 to {MAX_LENGTH} characters")
    role: str | None = Field(None, description="the name of a role")
    permissions: _Texts | None = Field(None, description=f"a list of at most {MAX_ITEMS} texts")
    expires_at: Annotated[float | None, BeforeValidator(_parse_time)] = Field(
        None, description="a time in ISO 8601 with its time zone, or null"
    )
    referrers: Annotated[_Texts, AfterValidator(_check_referrers)] = Field(
        [], description=f"a list of at most {MAX_ITEMS} texts"
    )
    rate_limit: Annotated[_RateLimit, Field(min_length=2)] | None = Field(
        None,
        description="an object of requests and per_seconds, or null."
        " requests and per_seconds are whole numbers from 1 on",
    )
    type: KeyType = Field("personal", description="one of personal, team, service")

    @model_validator(mode="after")
    def _check_role(self) -> KeyFields:
        if self.permissions is None and self.role not in ROLES:
            raise ValueError(f"role is one of {', '.join(ROLES)}, or permissions say what the key may do.")
        return self

    @property
    def granted_permissions(self) -> list[str]:
        """The permissions of the key: its own, or else those of its role."""
        return list(ROLES[self.role or ""]) if self.permissions is None else self.permissions


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
        """Add a key of an account and return it with its secret; a personal key cannot exceed the ceiling."""
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


def parse_key_fields(body: Mapping[str, object]) -> KeyFields:
    """Return the key fields of a JSON object; raise invalid_request if one is unknown or invalid."""
    _check_names(body, KeyFields.model_fields)
    given = {name: value for name, value in body.items() if value is not None or name == "type"}
    try:
        return KeyFields.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            message = str(first["ctx"]["error"])
        else:
            name = str(first["loc"][0])
            message = f"{name} is {KeyFields.model_fields[name].description}."
        raise HttpError("invalid_request", message) from None


def change_key_fields(fields: KeyFields, changes: Mapping[str, object]) -> KeyFields:
    """Return key fields with changes; a role without permissions brings its own, the type cannot change."""
    _check_names(changes, [name for name in KeyFields.model_fields if name != "type"])
    body = {**fields.model_dump(), "expires_at": iso_or_none(fields.expires_at), **changes}
    if "role" in changes and "permissions" not in changes:
        body["permissions"] = None
    return parse_key_fields(body)


def _check_names(body: Mapping[str, object], known: Collection[str]) -> None:
    if unknown := sorted(body.keys() - set(known)):
        message = f"{unknown[0]} cannot be set here, only {', '.join(known)}."
        raise HttpError("invalid_request", message)


def is_referrer(entry: str) -> bool:
    """Return whether a text is a domain, an address or a network."""
    return _network(entry) is not None or _DOMAIN.fullmatch(_host(entry)) is not None


def is_allowed_from(entries: Iterable[str], referrer: str, address: str) -> bool:
    """Return whether one of a key's referrers is the host of ``Referer`` or ``Origin`` or has the address."""
    host, peer = _host(referrer), ip_address(address)
    for entry in entries:
        network = _network(entry)
        if network is not None:
            if peer in network:
                return True
        elif _matches(_host(entry), host):
            return True
    return False


def _matches(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else bool(host) and host == pattern


def _host(text: str) -> str:
    try:
        return urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None


def _new_secret() -> str:
    return f"nai_{secrets.token_hex(20)}"


def _key(stored: StoredKey) -> NeuroAiKey:
    return NeuroAiKey(stored, KeyFields.model_construct(**stored.fields["settings"]))
