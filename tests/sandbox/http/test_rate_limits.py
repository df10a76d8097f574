"""Requests are counted in windows of time."""

from __future__ import annotations

from nimbus_sdk.sandbox.http.rate_limits import RateLimiter


def test_ended_windows_are_dropped(clock):
    """Ten thousand callers of the last minute are not stored for ever."""
    limiter = RateLimiter(clock)
    for number in range(10_000):
        limiter.count("validate", str(number), limit=100, seconds=60)
    clock.now += 61
    assert limiter.count("validate", "late", limit=100, seconds=60)["X-RateLimit-Remaining"] == "99"
    assert len(limiter._windows) == 1
