"""Limits on our own side: a token bucket as arithmetic, led by what the server says.

The documented limits a minute start it; ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset`` of every
answer correct it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """Tokens that refill at ``capacity`` a minute.

    Example:
        >>> bucket = Bucket(capacity=2, tokens=2, updated=0.0)
        >>> [bucket.reserve(now=0.0) for _ in range(3)]
        [0.0, 0.0, 30.0]
    """

    capacity: float
    tokens: float
    updated: float
    blocked_until: float = 0.0

    def reserve(self, now: float) -> float:
        """Take a token, and give the seconds to wait before it may be used."""
        rate = self.capacity / MINUTE
        self.tokens = min(self.capacity, self.tokens + max(0.0, now - self.updated) * rate)
        self.updated = now
        self.tokens -= 1
        refill = 0.0 if self.tokens >= 0 else -self.tokens / rate
        return max(refill, self.blocked_until - now, 0.0)

    def give_back(self) -> None:
        """Return a token that was reserved and not used."""
        self.tokens += 1

    def observe(
        self, limit: float | None, remaining: float | None, reset_in: float | None, now: float
    ) -> None:
        """Follow the server: its limit, what remains of it, and the seconds to its next window."""
        if limit is not None and limit > 0:
            self.capacity = limit
        if remaining is None:
            return
        self.tokens = min(self.tokens, remaining)
        if remaining <= 0 and reset_in is not None:
            self.blocked_until = now + min(reset_in, MINUTE)


class Limits:
    """The buckets of a process, one for each host and endpoint; safe for many threads."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._guard = threading.Lock()

    def reserve(self, host: str, name: str, per_minute: int | None, now: float) -> float:
        """Seconds to wait before the next request of this kind; 0 where no limit is known."""
        with self._guard:
            bucket = self._buckets.get((host, name))
            if bucket is None:
                if per_minute is None:
                    return 0.0
                bucket = self._buckets[host, name] = Bucket(per_minute, per_minute, now)
            return bucket.reserve(now)

    def give_back(self, host: str, name: str) -> None:
        """Return a token that was reserved and not used."""
        with self._guard:
            if (bucket := self._buckets.get((host, name))) is not None:
                bucket.give_back()

    def observe(
        self, host: str, name: str, headers: Mapping[str, str], server_now: float, now: float
    ) -> None:
        """Read the ``X-RateLimit-*`` headers of an answer.

        Args:
            host: Origin of the service.
            name: Endpoint.
            headers: Header names in lower case.
            server_now: The server's clock, in Unix seconds, to which ``-Reset`` refers.
            now: Our monotonic clock.
        """
        limit = _number(headers.get("x-ratelimit-limit"))
        remaining = _number(headers.get("x-ratelimit-remaining"))
        reset = _number(headers.get("x-ratelimit-reset"))
        if limit is None and remaining is None:
            return
        with self._guard:
            bucket = self._buckets.get((host, name))
            if bucket is None:
                if limit is None or limit <= 0:
                    return
                bucket = self._buckets[host, name] = Bucket(limit, limit, now)
            bucket.observe(limit, remaining, None if reset is None else max(0.0, reset - server_now), now)


def _number(text: str | None) -> float | None:
    if text is None or not text.strip().isascii() or not text.strip().isdigit():
        return None
    return float(text)


PROCESS_LIMITS = Limits()
"""A service counts what a machine sends, so the calls of one process share these."""
