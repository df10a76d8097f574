"""What a NeuroAI key is to be: the fields that its owner may set, read from JSON and checked.

Field names on the wire are an assumption of this SDK: the documentation's samples are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nimbus_sdk.sandbox.neuroai_referrers import is_referrer
from nimbus_sdk.sandbox.neuroai_roles import ROLES
from nimbus_sdk.sandbox.times import iso

TYPES = ("personal", "team", "service")
CHANGEABLE = ("name", "description", "role", "permissions", "expires_at", "referrers", "rate_limit")
FIELDS = (*CHANGEABLE, "type")
LONGEST = 200
MOST = 100


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests in so many seconds."""

    requests: int
    per_seconds: int

    def to_json(self) -> dict[str, int]:
        """As it stands on the wire."""
        return {"requests": self.requests, "per_seconds": self.per_seconds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The settable fields of one key.

    Attributes:
        name: For people.
        description: For people.
        role: A role of the table, or a custom one; None where the permissions are the key's own.
        type: ``personal``, ``team`` or ``service``.
        custom_permissions: The key's own permissions in place of its role's; None where the role decides.
        expires_at: Unix second from which it is refused; None is never.
        referrers: Domains, addresses and networks it may be used from; empty is anywhere.
        rate_limit: How often it may be used; None is without a limit.
    """

    name: str
    description: str
    role: str | None
    type: str
    custom_permissions: tuple[str, ...] | None
    expires_at: float | None
    referrers: tuple[str, ...]
    rate_limit: RateLimit | None

    @property
    def permissions(self) -> tuple[str, ...]:
        """What the key may do."""
        if self.custom_permissions is not None:
            return self.custom_permissions
        return ROLES[self.role] if self.role is not None else ()

    def to_fields(self) -> dict[str, object]:
        """The fields that :func:`read_traits` makes these traits from."""
        return {
            "name": self.name,
            "description": self.description,
            "role": self.role,
            "type": self.type,
            "permissions": None if self.custom_permissions is None else list(self.custom_permissions),
            "expires_at": None if self.expires_at is None else iso(self.expires_at),
            "referrers": list(self.referrers),
            "rate_limit": None if self.rate_limit is None else self.rate_limit.to_json(),
        }


def read_traits(fields: Mapping[str, object]) -> Traits:
    """Traits from a JSON object.

    Raises:
        ValueError: A field is unknown or unusable, with words for people.
    """
    _check_names(fields, FIELDS)
    role, custom = fields.get("role"), fields.get("permissions")
    if role is not None and not isinstance(role, str):
        raise ValueError("role is the name of a role.")
    if custom is None and role not in ROLES:
        raise ValueError(f"role is one of {', '.join(ROLES)}, or permissions say what the key may do.")
    kind = fields.get("type", "personal")
    if kind not in TYPES:
        raise ValueError(f"type is one of {', '.join(TYPES)}.")
    return Traits(
        name=_text(fields, "name", least=1),
        description=_text(fields, "description", least=0),
        role=role,
        type=str(kind),
        custom_permissions=None if custom is None else _texts(fields, "permissions"),
        expires_at=_moment(fields.get("expires_at")),
        referrers=_referrers(fields),
        rate_limit=_rate_limit(fields.get("rate_limit")),
    )


def changed_traits(traits: Traits, changes: Mapping[str, object]) -> Traits:
    """Traits with some fields set anew; a role that is set alone brings its own permissions.

    Raises:
        ValueError: A field is unknown, unusable, or may not change.
    """
    _check_names(changes, CHANGEABLE)
    fields = {**traits.to_fields(), **changes}
    if "role" in changes and "permissions" not in changes:
        fields["permissions"] = None
    return read_traits(fields)


def _check_names(fields: Mapping[str, object], known: tuple[str, ...]) -> None:
    if unknown := sorted(fields.keys() - set(known)):
        raise ValueError(f"{unknown[0]} cannot be set here; what can is {', '.join(known)}.")


def _text(fields: Mapping[str, object], name: str, *, least: int) -> str:
    value = fields.get(name)
    text = "" if value is None else value
    if not isinstance(text, str) or not least <= len(text.strip()) <= LONGEST:
        raise ValueError(f"{name} is a text of {least} to {LONGEST} characters.")
    return text


def _texts(fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = fields.get(name) or []
    if not isinstance(values, list) or len(values) > MOST:
        raise ValueError(f"{name} is a list of at most {MOST} texts.")
    if not all(isinstance(value, str) and 0 < len(value) <= LONGEST for value in values):
        raise ValueError(f"{name} is a list of texts of 1 to {LONGEST} characters.")
    return tuple(values)


def _moment(value: object) -> float | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("expires_at is a moment in ISO 8601 with its time zone, or null.")
    return moment.timestamp()


def _referrers(fields: Mapping[str, object]) -> tuple[str, ...]:
    referrers = _texts(fields, "referrers")
    if wrong := [entry for entry in referrers if not is_referrer(entry)]:
        raise ValueError(f"{wrong[0]!r} is neither a domain nor an address nor a network.")
    return referrers


def _rate_limit(value: object) -> RateLimit | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"requests", "per_seconds"}:
        raise ValueError("rate_limit is an object of requests and per_seconds, or null.")
    if not all(type(number) is int and 0 < number <= 10**9 for number in value.values()):
        raise ValueError("requests and per_seconds are whole numbers from 1 on.")
    return RateLimit(value["requests"], value["per_seconds"])
