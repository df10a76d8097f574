"""Requests a minute, per endpoint and key, with the headers that tell about them.

Source of the numbers: the section "Rate Limiting" of the Nimbus API documentation.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.times import Clock

WINDOW = 60.0
PER_MINUTE: Mapping[str, int | None] = {
    "validate": 100,
    "refresh": 10,
    "revoke": 10,
    "github_token": 20,
    "models": 60,
    "analytics": 1000,
    "health": None,
}
OTHERS = 1000
_MANY_WINDOWS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one request was told about its limit.

    Attributes:
        limit: Requests a window.
        remaining: Requests left in it after this one.
        reset: Unix second at which the window ends.
        wait: Seconds until then where this request is one too many, else 0.
    """

    limit: int
    remaining: int
    reset: int
    wait: int

    def headers(self) -> dict[str, str]:
        """The ``X-RateLimit-*`` headers, with ``Retry-After`` where the request is refused."""
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }
        if self.wait:
            headers["Retry-After"] = str(self.wait)
        return headers


class Limits:
    """Counts requests in windows of a minute that begin with a holder's first request.

    Args:
        clock: Tells Unix seconds.
        overrides: Requests a minute by endpoint name, in place of the documented ones; None lifts a limit.
    """

    def __init__(self, clock: Clock, overrides: Mapping[str, int | None] | None = None) -> None:
        self._clock = clock
        self._limits = {**PER_MINUTE, **(overrides or {})}
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def take(self, endpoint: str, holder: str) -> Allowance | None:
        """Count one request.

        Args:
            endpoint: The endpoint's name.
            holder: Whom it counts for: the key as presented, or where none is, the caller's address.

        Returns:
            The allowance; None where the endpoint has no limit.
        """
        limit = self._limits.get(endpoint, OTHERS)
        if limit is None:
            return None
        now, place = self._clock(), (endpoint, digest(holder))
        with self._lock:
            started, count = self._windows.get(place, (now, 0))
            if not 0 <= now - started < WINDOW:
                started, count = now, 0
            self._windows[place] = (started, count + 1)
            if len(self._windows) > _MANY_WINDOWS:
                self._drop_old(now)
        refused = count >= limit
        return Allowance(
            limit=limit,
            remaining=max(0, limit - count - 1),
            reset=math.ceil(started + WINDOW),
            wait=max(1, math.ceil(started + WINDOW - now)) if refused else 0,
        )

    def _drop_old(self, now: float) -> None:
        self._windows = {place: window for place, window in self._windows.items() if now - window[0] < WINDOW}
