"""The license tiers the sandbox issues: monthly quota, features and rank.

Source: the tables "License Tiers" and "License Features" of the Nimbus API documentation.
"""

from __future__ import annotations

from typing import NamedTuple


class Tier(NamedTuple):
    """One license tier; it includes all tiers of lower rank. A monthly limit of None is unlimited."""

    rank: int
    monthly_limit: int | None
    features: tuple[str, ...]


_BASIC = ("batch_inference",)
_RESEARCH = (*_BASIC, "streaming", "training", "calibration", "model_export")
_COMMERCIAL = (*_RESEARCH, "custom_models", "priority_support")
_ENTERPRISE = (*_COMMERCIAL, "on_premise")

TIERS = {
    "free": Tier(0, 10_000, _BASIC),
    "trial": Tier(0, 10_000, _BASIC),
    "research": Tier(1, 50_000, _RESEARCH),
    "commercial": Tier(2, 500_000, _COMMERCIAL),
    "enterprise": Tier(3, None, _ENTERPRISE),
}


def is_covered(required: str, tier: str) -> bool:
    """Return whether a license of one tier may use what requires another.

    A tier that is not in the table counts as the lowest if a license has it, and as the highest if required.

    Examples:
        >>> is_covered("research", "commercial"), is_covered("research", "free"), is_covered("free", "trial")
        (True, False, True)
    """
    licensed, needed = TIERS.get(tier), TIERS.get(required)
    highest = max(other.rank for other in TIERS.values())
    return (licensed.rank if licensed else 0) >= (needed.rank if needed else highest)
