"""The fields of a NeuroAI key that its owner can set, parsed from JSON.

Field names on the wire are an assumption of this SDK: the documentation's samples are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from nimbus_sdk.sandbox.http.times import iso_or_none

TYPES = ("personal", "team", "service")
CHANGEABLE = ("name", "description", "role", "permissions", "expires_at", "referrers", "rate_limit")
FIELDS = (*CHANGEABLE, "type")
MAX_LENGTH = 200
MAX_ITEMS = 100
_DOMAIN = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")
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
LEAST_ROLE = "Viewer"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A number of requests in a number of seconds."""

    requests: int
    per_seconds: int

    def to_json(self) -> dict[str, int]:
        """Return the limit as it is on the wire."""
        return {"requests": self.requests, "per_seconds": self.per_seconds}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFields:
    """The fields of one key that its owner can set.

    Attributes:
        name: Text for people.
        description: Text for people.
        role: A role of the table, or a custom one; may be None if the permissions are the key's own.
        type: ``personal``, ``team`` or ``service``.
        custom_permissions: The key's own permissions instead of its role's; None takes the role's.
        expires_at: Unix second from which it is rejected; None is never.
        referrers: Domains, addresses and networks it can be used from; empty is anywhere.
        rate_limit: How often it can be used; None is no limit.
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
        """The permissions of the key."""
        if self.custom_permissions is not None:
            return self.custom_permissions
        return ROLES[self.role] if self.role is not None else ()

    def to_json(self) -> dict[str, object]:
        """Return the JSON that :func:`parse_key_fields` reads."""
        return {
            "name": self.name,
            "description": self.description,
            "role": self.role,
            "type": self.type,
            "permissions": None if self.custom_permissions is None else list(self.custom_permissions),
            "expires_at": iso_or_none(self.expires_at),
            "referrers": list(self.referrers),
            "rate_limit": None if self.rate_limit is None else self.rate_limit.to_json(),
        }


def parse_key_fields(body: Mapping[str, object]) -> KeyFields:
    """Return the key fields of a JSON object.

    Raises:
        ValueError: A field is unknown or invalid; the message is for people.
    """
    _check_names(body, FIELDS)
    role, custom = body.get("role"), body.get("permissions")
    if role is not None and not isinstance(role, str):
        raise ValueError("role is the name of a role.")
    if custom is None and role not in ROLES:
        raise ValueError(f"role is one of {', '.join(ROLES)}, or permissions say what the key may do.")
    kind = body.get("type", "personal")
    if kind not in TYPES:
        raise ValueError(f"type is one of {', '.join(TYPES)}.")
    return KeyFields(
        name=_text(body, "name", minimum=1),
        description=_text(body, "description", minimum=0),
        role=role,
        type=str(kind),
        custom_permissions=None if custom is None else _texts(body, "permissions"),
        expires_at=_timestamp(body.get("expires_at")),
        referrers=_referrers(body),
        rate_limit=_rate_limit(body.get("rate_limit")),
    )


def change_key_fields(fields: KeyFields, changes: Mapping[str, object]) -> KeyFields:
    """Return key fields with changes; a role without permissions brings its own.

    Raises:
        ValueError: A field is unknown, invalid, or cannot change.
    """
    _check_names(changes, CHANGEABLE)
    body = {**fields.to_json(), **changes}
    if "role" in changes and "permissions" not in changes:
        body["permissions"] = None
    return parse_key_fields(body)


def _check_names(body: Mapping[str, object], known: tuple[str, ...]) -> None:
    if unknown := sorted(body.keys() - set(known)):
        raise ValueError(f"{unknown[0]} cannot be set here, only {', '.join(known)}.")


def _text(body: Mapping[str, object], name: str, *, minimum: int) -> str:
    value = body.get(name)
    text = "" if value is None else value
    if not isinstance(text, str) or not minimum <= len(text.strip()) <= MAX_LENGTH:
        raise ValueError(f"{name} is a text of {minimum} to {MAX_LENGTH} characters.")
    return text


def _texts(body: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = body.get(name) or []
    if not isinstance(values, list) or len(values) > MAX_ITEMS:
        raise ValueError(f"{name} is a list of at most {MAX_ITEMS} texts.")
    if not all(isinstance(value, str) and 0 < len(value) <= MAX_LENGTH for value in values):
        raise ValueError(f"{name} is a list of texts of 1 to {MAX_LENGTH} characters.")
    return tuple(values)


def _timestamp(value: object) -> float | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError("expires_at is a time in ISO 8601 with its time zone, or null.")
    return time.timestamp()


def _referrers(body: Mapping[str, object]) -> tuple[str, ...]:
    referrers = _texts(body, "referrers")
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


def is_referrer(entry: str) -> bool:
    """Return whether a text is a domain, an address or a network.

    Example:
        >>> [is_referrer(entry) for entry in ("*.example.com", "10.0.0.0/8", "https://example.com/", "?")]
        [True, True, True, False]
    """
    return _network(entry) is not None or _DOMAIN.fullmatch(_host(entry)) is not None


def is_allowed_from(entries: Iterable[str], referrer: str, address: str) -> bool:
    """Return whether a request can use a key with this list of referrers.

    Args:
        entries: The key's list.
        referrer: The request's ``Referer`` or ``Origin``, empty if it has none.
        address: The peer's IP address.

    Example:
        >>> is_allowed_from(["*.example.com"], "https://app.example.com/page", "203.0.113.9")
        True
        >>> is_allowed_from(["203.0.113.0/24"], "", "198.51.100.7")
        False
    """
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
