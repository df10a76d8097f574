"""Requests are counted in windows of time."""

from __future__ import annotations

import pytest

from nimbus_sdk.sandbox.http.rate_limits import RateLimiter


@pytest.mark.parametrize("now", [0.0, 76.3774618976614, 1_761_955_200.1])
def test_requests_at_one_time_are_in_one_window(clock, now):
    """Whatever time a clock shows, and however its sum with the window is rounded."""
    limiter, clock.now = RateLimiter(clock), now
    for left in ("9", "8", "7"):
        assert limiter.count("validate", "key", limit=10, seconds=60)["X-RateLimit-Remaining"] == left


def test_ended_windows_are_dropped(clock):
    """Ten thousand callers of the last minute are not stored for ever."""
    limiter = RateLimiter(clock)
    for number in range(10_000):
        limiter.count("validate", str(number), limit=100, seconds=60)
    clock.now += 61
    assert limiter.count("validate", "late", limit=100, seconds=60)["X-RateLimit-Remaining"] == "99"
    assert len(limiter._windows) == 1
