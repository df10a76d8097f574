"""Times as the wire spells them. Inside the sandbox all times are Unix seconds, UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]


def iso(timestamp: float) -> str:
    """Return Unix seconds as ISO 8601 with a ``Z``, in whole seconds.

    Examples:
        >>> iso(1_761_955_200)
        '2025-11-01T00:00:00Z'
    """
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(timestamp: float | None) -> str | None:
    """Return ``iso`` of a time, or None for None."""
    return None if timestamp is None else iso(timestamp)


def month(timestamp: float) -> str:
    """Return the calendar month, UTC, in which a quota is counted.

    Examples:
        >>> month(1_761_955_199)
        '2025-10'
    """
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m")


def next_month(timestamp: float) -> float:
    """Return the start of the month after ``timestamp``: the time at which quotas are reset.

    Examples:
        >>> iso(next_month(1_761_955_200))
        '2025-12-01T00:00:00Z'
    """
    now = datetime.fromtimestamp(timestamp, UTC)
    year, following = divmod(now.year * 12 + now.month, 12)
    return datetime(year, following + 1, 1, tzinfo=UTC).timestamp()
