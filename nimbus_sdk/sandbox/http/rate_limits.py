"""Counts requests in fixed windows of time, and decides whether one exceeds its rate limit."""

from __future__ import annotations

import math
import threading

from nimbus_sdk.sandbox.http.database import Clock
from nimbus_sdk.sandbox.http.masking import digest

_MAX_WINDOWS = 10_000


class RateLimiter:
    """Counts requests by caller, in windows that begin with a caller's first request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[float, float, int]] = {}
        """The start and the end of each window, and its requests so far."""
        self._lock = threading.Lock()

    def count(self, endpoint: str, caller: str, *, limit: int, seconds: float) -> dict[str, str]:
        """Count one request; return ``X-RateLimit-*`` headers, with ``Retry-After`` above the limit."""
        now, name = self._clock(), (endpoint, digest(caller))
        with self._lock:
            start, _, count = self._windows.get(name, (now, now, 0))
            if not 0 <= now - start < seconds:
                start, count = now, 0
            end, count = start + seconds, count + 1
            self._windows[name] = (start, end, count)
            if len(self._windows) > _MAX_WINDOWS:
                self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - count)),
            "X-RateLimit-Reset": str(math.ceil(end)),
        }
        if count > limit:
            headers["Retry-After"] = str(max(1, math.ceil(end - now)))
        return headers
