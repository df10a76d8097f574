"""How often a NeuroAI key was used: counts in windows that begin with the first request of each.

Source: "Rate Limiting" of the NeuroAI documentation: a key can have a limit of its own.
"""

from __future__ import annotations

import math
import threading

from nimbus_sdk.sandbox.neuroai_traits import RateLimit
from nimbus_sdk.sandbox.times import Clock


class NeuroAiRates:
    """The counts of one sandbox.

    Args:
        clock: Tells Unix seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def wait(self, key_id: str, limit: RateLimit) -> int:
        """Count one request: 0 where it may pass, else whole seconds until the next one may."""
        now = self._clock()
        with self._lock:
            started, count = self._windows.get(key_id, (now, 0))
            if not 0 <= now - started < limit.per_seconds:
                started, count = now, 0
            self._windows[key_id] = (started, count + 1)
        if count < limit.requests:
            return 0
        return max(1, math.ceil(started + limit.per_seconds - now))
