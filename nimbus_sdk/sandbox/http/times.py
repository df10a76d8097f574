"""Instants as the wire spells them. Everything inside the sandbox counts in Unix seconds, UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]


def iso(moment: float) -> str:
    """Unix seconds as ISO 8601 with a ``Z``, whole seconds.

    Example:
        >>> iso(1_761_955_200)
        '2025-11-01T00:00:00Z'
    """
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def month(moment: float) -> str:
    """The calendar month, UTC, that a quota is counted in.

    Example:
        >>> month(1_761_955_199)
        '2025-10'
    """
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m")


def next_month(moment: float) -> float:
    """Start of the month after ``moment``: when quotas begin anew.

    Example:
        >>> iso(next_month(1_761_955_200))
        '2025-12-01T00:00:00Z'
    """
    now = datetime.fromtimestamp(moment, UTC)
    year, following = divmod(now.year * 12 + now.month, 12)
    return datetime(year, following + 1, 1, tzinfo=UTC).timestamp()
