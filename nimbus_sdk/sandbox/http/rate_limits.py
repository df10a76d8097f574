"""Counts requests in fixed windows of time."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.times import Clock

_MAX_WINDOWS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """The state of a limit after one request.

    Attributes:
        limit: Requests a window.
        remaining: Requests left in the window.
        reset: Unix second at which the window ends.
        wait: Seconds until then if the request exceeds the limit, else 0.
    """

    limit: int
    remaining: int
    reset: int
    wait: int

    def headers(self) -> dict[str, str]:
        """Return the ``X-RateLimit-*`` headers, with ``Retry-After`` if the limit is exceeded."""
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }
        if self.wait:
            headers["Retry-After"] = str(self.wait)
        return headers


@dataclass(slots=True)
class _Window:
    start: float
    seconds: float
    count: int = 0


class RateLimiter:
    """Counts requests by caller, in windows that begin with a caller's first request.

    Args:
        clock: Returns Unix seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._lock = threading.Lock()

    def count(self, endpoint: str, caller: str, *, limit: int, seconds: float) -> Allowance:
        """Count one request of a caller, a key or an address, in a window of so many seconds."""
        now, name = self._clock(), (endpoint, digest(caller))
        with self._lock:
            window = self._windows.get(name)
            if window is None or not 0 <= now - window.start < seconds:
                window = self._windows[name] = _Window(now, seconds)
            window.count += 1
            count, end = window.count, window.start + seconds
            if len(self._windows) > _MAX_WINDOWS:
                self._drop_ended(now)
        return Allowance(
            limit=limit,
            remaining=max(0, limit - count),
            reset=math.ceil(end),
            wait=max(1, math.ceil(end - now)) if count > limit else 0,
        )

    def _drop_ended(self, now: float) -> None:
        self._windows = {
            name: window for name, window in self._windows.items() if now - window.start < window.seconds
        }
