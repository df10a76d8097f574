"""Rate limits of this process: when the next request may be sent.

The documented limits a minute apply first; the headers ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset``
of every response correct them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

MINUTE = 60.0
_MAX_DIGITS = 18


@dataclass(slots=True)
class Bucket:
    """The requests of the last minute, never more than ``capacity``.

    Attributes:
        capacity: Requests that any 60 seconds may hold.
        taken: When the requests of the last minute were sent, and when those that wait will be.
        left: How many more the server accepts until ``resets``, by its last response.
        resets: When the next window of the server begins.

    Examples:
        >>> bucket = Bucket(capacity=2)
        >>> [bucket.reserve(now=0.0) for _ in range(3)]
        [0.0, 0.0, 60.0]
    """

    capacity: int
    taken: deque[float] = field(default_factory=deque)
    left: float = inf
    resets: float = 0.0

    def reserve(self, now: float) -> float:
        """Reserve a slot, and return the seconds to wait for it."""
        while self.taken and self.taken[0] <= now - MINUTE:
            self.taken.popleft()
        # Requests are sent in the order in which they asked.
        start = max(now, self.taken[-1]) if self.taken else now
        if len(self.taken) >= self.capacity:
            start = max(start, self.taken[-self.capacity] + MINUTE)
        if start < self.resets:
            if self.left < 1:
                start = self.resets
            self.left -= 1
        self.taken.append(start)
        return start - now

    def release(self) -> None:
        """Release the last slot, which was not used."""
        if self.taken:
            self.taken.pop()

    def observe(
        self, limit: float | None, remaining: float | None, reset_in: float | None, now: float
    ) -> None:
        """Adopt the limit of the server, what remains of it, and the seconds to its next window."""
        if limit is not None and limit >= 1:
            self.capacity = int(limit)
        if remaining is not None and reset_in is not None:
            self.left = remaining
            self.resets = now + min(reset_in, MINUTE)


class Limits:
    """The buckets of a process, one for each host and endpoint; thread-safe."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    def reserve(self, host: str, name: str, per_minute: int | None, now: float) -> float:
        """Reserve a slot, and return the seconds to wait for it; 0 if no limit is known."""
        with self._lock:
            bucket = self._buckets.get((host, name))
            if bucket is None:
                if per_minute is None:
                    return 0.0
                bucket = self._buckets[host, name] = Bucket(per_minute)
            return bucket.reserve(now)

    def release(self, host: str, name: str) -> None:
        """Release a slot that was reserved and not used."""
        with self._lock:
            if (bucket := self._buckets.get((host, name))) is not None:
                bucket.release()

    def reset_after_fork(self) -> None:
        """Replace the lock in a child process: another thread of the parent may have held it."""
        self._lock = threading.Lock()

    def observe(
        self, host: str, name: str, headers: Mapping[str, str], server_now: float, now: float
    ) -> None:
        """Adopt the ``X-RateLimit-*`` headers of a response; ``-Reset`` refers to the time of the server."""
        limit = _number(headers.get("x-ratelimit-limit"))
        remaining = _number(headers.get("x-ratelimit-remaining"))
        reset = _number(headers.get("x-ratelimit-reset"))
        if limit is None and remaining is None:
            return
        with self._lock:
            bucket = self._buckets.get((host, name))
            if bucket is None:
                if limit is None or limit < 1:
                    return
                bucket = self._buckets[host, name] = Bucket(int(limit))
            bucket.observe(limit, remaining, None if reset is None else max(0.0, reset - server_now), now)


def _number(text: str | None) -> float | None:
    digits = (text or "").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        return None
    return float(digits)


PROCESS_LIMITS = Limits()
"""Shared by all clients of the process, since a service counts the requests of a machine."""
