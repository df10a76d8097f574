"""The claims in a Nexus key, read without checking its signature.

Source: the section "JWT Claims" of the Nexus API documentation.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal

from nimbus_sdk.errors import InvalidKeyFormatError, PermissionDeniedError
from nimbus_sdk.services.base.service import ServiceKey

OPAQUE_PREFIX = "nxs_"
"""The prefix of the keys in the documentation's code samples, against its own text: they have no claims."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedClaims:
    """Claims that anybody could have written into a key: good for messages, and proof of nothing.

    Only Nexus can check the signature. Decide nothing by these that the service does not decide again.

    Attributes:
        integration_id: ``integrationId``, or None.
        organization_id: ``organizationId``, or None.
        agent_id: ``agentId``, or None.
        permissions: ``permissions``.
        expires_at: ``exp``, UTC, or None.
    """

    verified: ClassVar[Literal[False]] = False

    integration_id: str | None
    organization_id: str | None
    agent_id: str | None
    permissions: frozenset[str]
    expires_at: datetime | None

    def claims_permission(self, name: str) -> bool:
        """Whether the key claims a permission."""
        return name in self.permissions

    def require_permission(self, name: str) -> None:
        """Raise early if the service would refuse anyway.

        Raises:
            PermissionDeniedError: The key does not claim the permission.
        """
        if not self.claims_permission(name):
            claimed = ", ".join(sorted(self.permissions)) or "none"
            raise PermissionDeniedError(
                f"The Nexus key does not claim the permission {name[:80]!r}; it claims: {claimed}.",
                hint="Check the integration's permissions in the Nexus dashboard (Integrations).",
            )

    def to_dict(self) -> dict[str, object]:
        """Return the claims as plain values, for JSON."""
        return {
            "verified": self.verified,
            "integration_id": self.integration_id,
            "organization_id": self.organization_id,
            "agent_id": self.agent_id,
            "permissions": sorted(self.permissions),
            "expires_at": None if self.expires_at is None else f"{self.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }


def find_problem(text: str) -> str | None:
    """Return what is wrong with the form of a Nexus key, or None.

    Examples:
        >>> [find_problem(text) for text in ("nxs_abc123", "eyJh.eyJi.c2ln", "abc")]
        [None, None, 'it is not a JSON Web Token (three parts with dots between them)']
    """
    if text.startswith(OPAQUE_PREFIX) or _TOKEN.fullmatch(text):
        return None
    return "it is not a JSON Web Token (three parts with dots between them)"


def read_claims(key: ServiceKey) -> UnverifiedClaims | None:
    """Return the claims in a key; None if its form has none. Raises if nothing can be read in a token."""
    if key.reveal().startswith(OPAQUE_PREFIX):
        return None
    head, payload, _ = key.reveal().split(".")
    claims = _decode_part(payload)
    if claims is None or _decode_part(head) is None:
        raise InvalidKeyFormatError(
            f"This is not a Nexus key: nothing can be read in the token {key.masked}.",
            hint="Copy the key again, whole.",
        )
    permissions = claims.get("permissions")
    return UnverifiedClaims(
        integration_id=_text(claims.get("integrationId")),
        organization_id=_text(claims.get("organizationId")),
        agent_id=_text(claims.get("agentId")),
        permissions=frozenset(
            name for name in (permissions if isinstance(permissions, list) else ()) if isinstance(name, str)
        ),
        expires_at=_moment(claims.get("exp")),
    )


def _decode_part(part: str) -> dict[str, object] | None:
    """Decode one part of a token, base64url without padding (RFC 7515, section 2), or return None."""
    try:
        fields = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
