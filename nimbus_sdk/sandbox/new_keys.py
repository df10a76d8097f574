"""What a key is to be, before it exists."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.tiers import TIERS

Kind = Literal["test", "live"]
_MOST = 2**62
BLOCKABLE = frozenset({"validate", "refresh", "analytics"})


class KeyFields(TypedDict, total=False):
    """The fields of :class:`NewKey` but its tier, as keyword arguments."""

    kind: Kind
    expires_at: datetime | None
    used: int
    monthly_limit: int | None
    features: Collection[str] | None
    email: str
    name: str | None
    organization: str | None
    user_id: str | None
    block_when_exhausted: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is wanted.

    Attributes:
        tier: A tier of the table; any other name where ``features`` says what it may do.
        kind: ``test`` or ``live``: the prefix.
        expires_at: Aware moment after which the key is refused; None is never.
        used: Inferences already counted this month.
        monthly_limit: Inferences a month; None takes the tier's own.
        features: The ``features`` list; None takes the tier's own.
        email: The holder's address.
        name: The holder's name, left out of answers where None.
        organization: The holder's organization, left out of answers where None.
        user_id: As it stands in answers; None makes one.
        block_when_exhausted: Endpoints that answer 429 QUOTA_EXCEEDED once the quota is used up, of
            ``validate``, ``refresh`` and ``analytics``.

    Raises:
        ConfigurationError: An unknown tier without features, or a value that no key can have.
    """

    tier: str = "research"
    kind: Kind = "test"
    expires_at: datetime | None = None
    used: int = 0
    monthly_limit: int | None = None
    features: Collection[str] | None = None
    email: str = "researcher@university.edu"
    name: str | None = "Dr. Jane Smith"
    organization: str | None = "Neuroscience Lab"
    user_id: str | None = None
    block_when_exhausted: Collection[str] = ("analytics",)

    def __post_init__(self) -> None:
        if self.tier not in TIERS and self.features is None:
            raise ConfigurationError(
                f"The sandbox has no license tier {self.tier!r}.",
                hint=f"Take one of {', '.join(TIERS)}, or say which features the tier has.",
            )
        if self.kind not in ("test", "live"):
            raise ConfigurationError(f"The sandbox makes test and live keys, not {self.kind!r}.")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ConfigurationError("expires_at must name its time zone.", hint="Add tzinfo=UTC to it.")
        if not all(0 <= count < _MOST for count in (self.used, self.monthly_limit or 0)):
            raise ConfigurationError("used and monthly_limit count inferences: they are 0 or more.")
        if unknown := sorted(set(self.block_when_exhausted) - BLOCKABLE):
            raise ConfigurationError(
                f"No quota stands before {', '.join(unknown)}.",
                hint=f"Choose of {', '.join(sorted(BLOCKABLE))}.",
            )

    @property
    def granted_features(self) -> list[str]:
        """The features the key will have."""
        return list(TIERS[self.tier].features if self.features is None else self.features)

    @property
    def granted_limit(self) -> int | None:
        """The monthly quota the key will have; None means unlimited."""
        if self.monthly_limit is not None or self.tier not in TIERS:
            return self.monthly_limit
        return TIERS[self.tier].monthly_limit
