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


def is_signed(key: str, secret: bytes) -> bool:
    """Whether a text is a key that this secret signed; expired ones are too."""
    try:
        # Its time is judged by the sandbox's clock, which a test may turn.
        jwt.decode(key, secret, [_ALGORITHM], options={"verify_exp": False, "require": ["exp"]})
    except jwt.InvalidTokenError:
        return False
    return True
