"""The license tiers the sandbox issues: monthly quota, features and rank.

Source: the tables "License Tiers" and "License Features" of the Nimbus API documentation.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tier:
    """One license tier.

    Attributes:
        name: As it stands in ``license_type``.
        rank: Higher ranks may use all that lower ones may.
        monthly_limit: Inferences a month; None means unlimited.
        features: As they stand in ``features``.
    """

    name: str
    rank: int
    monthly_limit: int | None
    features: tuple[str, ...]


_BASIC = ("batch_inference",)
_RESEARCH = (*_BASIC, "streaming", "training", "calibration", "model_export")
_COMMERCIAL = (*_RESEARCH, "custom_models", "priority_support")
_ENTERPRISE = (*_COMMERCIAL, "on_premise")

TIERS = {
    tier.name: tier
    for tier in (
        Tier("free", 0, 10_000, _BASIC),
        Tier("trial", 0, 10_000, _BASIC),
        Tier("research", 1, 50_000, _RESEARCH),
        Tier("commercial", 2, 500_000, _COMMERCIAL),
        Tier("enterprise", 3, None, _ENTERPRISE),
    )
}


def covers(held: str, required: str) -> bool:
    """Whether a license of tier ``held`` may use what requires tier ``required``.

    A tier that is not in the table counts as the lowest when held and as the highest when required.

    Example:
        >>> covers("commercial", "research"), covers("free", "research"), covers("trial", "free")
        (True, False, True)
    """
    holder, asked = TIERS.get(held), TIERS.get(required)
    return (holder.rank if holder else 0) >= (asked.rank if asked else max(t.rank for t in TIERS.values()))
