"""What a NeuroAI key is to be: the fields that its owner may set, read from JSON and checked.

Field names on the wire are an assumption of this SDK: the documentation's samples are missing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal, TypedDict
from urllib.parse import urlsplit

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.times import iso

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


KeyType = Literal["personal", "team", "service"]


class NeuroAiKeyFields(TypedDict, total=False):
    """The fields of :class:`NewNeuroAiKey`, as keyword arguments."""

    role: str | None
    name: str
    description: str
    type: KeyType
    permissions: Collection[str] | None
    expires_at: datetime | None
    referrers: Collection[str]
    rate_limit: Mapping[str, int] | None
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNeuroAiKey:
    """A key that is wanted.

    Attributes:
        role: ``Viewer``, ``Developer``, ``Administrator``, ``API Manager``; any where permissions are given.
        name: For people.
        description: For people.
        type: ``personal``, ``team`` or ``service``.
        permissions: The key's own, in place of its role's; None takes the role's.
        expires_at: Aware moment from which it is refused; None is never, and a past one makes an expired key.
        referrers: Domains, addresses and networks it may be used from; empty is anywhere.
        rate_limit: ``{"requests": n, "per_seconds": n}``; None is without a limit.
        user: The account that holds it.

    Raises:
        ConfigurationError: No key can be such; other fields are checked by :meth:`traits`.
    """

    role: str | None = "Administrator"
    name: str = "sandbox"
    description: str = ""
    type: KeyType = "team"
    permissions: Collection[str] | None = None
    expires_at: datetime | None = None
    referrers: Collection[str] = ()
    rate_limit: Mapping[str, int] | None = None
    user: str = "usr_sandbox"

    def __post_init__(self) -> None:
        if not isinstance(self.user, str) or not self.user:
            raise ConfigurationError("user is the id of an account, such as 'usr_sandbox'.")
        if isinstance(self.permissions, str) or isinstance(self.referrers, str):
            raise ConfigurationError("permissions and referrers are collections of texts.")

    def traits(self) -> Traits:
        """The key's traits.

        Raises:
            ConfigurationError: A field is unusable.
        """
        try:
            return read_traits(
                {
                    "role": self.role,
                    "name": self.name,
                    "description": self.description,
                    "type": self.type,
                    "permissions": None if self.permissions is None else list(self.permissions),
                    "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
                    "referrers": list(self.referrers),
                    "rate_limit": None if self.rate_limit is None else dict(self.rate_limit),
                }
            )
        except ValueError as fault:
            raise ConfigurationError(f"No NeuroAI key can be such: {fault}") from fault


ROLES: Mapping[str, tuple[str, ...]] = {
    "Viewer": ("agents:read", "analytics:read"),
    "Developer": ("agents:read", "agents:write", "analytics:read"),
    "Administrator": (
        "agents:read",
        "agents:write",
        "analytics:read",
        "api_keys:read",
        "api_keys:write",
        "audit_logs:read",
        "integrations:read",
        "integrations:write",
        "users:read",
        "users:write",
    ),
    "API Manager": (
        "api_keys:read",
        "api_keys:write",
        "audit_logs:read",
        "integrations:read",
        "integrations:write",
    ),
}
LEAST = "Viewer"


_DOMAIN = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")


def is_referrer(entry: str) -> bool:
    """Whether a text can stand in a key's list.

    Example:
        >>> [is_referrer(entry) for entry in ("*.example.com", "10.0.0.0/8", "https://example.com/", "?")]
        [True, True, True, False]
    """
    return _network(entry) is not None or _DOMAIN.fullmatch(_host(entry)) is not None


def admits(entries: Iterable[str], referrer: str, address: str) -> bool:
    """Whether a request from here may use a key with this list.

    Args:
        entries: The key's list.
        referrer: The request's ``Referer`` or ``Origin``, empty where it has none.
        address: The peer's IP address.

    Example:
        >>> admits(["*.example.com"], "https://app.example.com/page", "203.0.113.9")
        True
        >>> admits(["203.0.113.0/24"], "", "198.51.100.7")
        False
    """
    host, peer = _host(referrer), ip_address(address)
    for entry in entries:
        network = _network(entry)
        if network is not None:
            if peer in network:
                return True
        elif _fits(_host(entry), host):
            return True
    return False


def _fits(pattern: str, host: str) -> bool:
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
