"""Nexus keys as text: JWTs, HS256, with the claims of the documentation.

Source: the section "JWT Claims" of the Nexus API documentation.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TypedDict

import jwt

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
    # The documented claims have no jti: two keys of one integration, made in one second, differ by their kid.
    return jwt.encode(dict(claims), secret, _ALGORITHM, headers={"kid": f"nxk_{secrets.token_hex(6)}"})
