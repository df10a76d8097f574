"""Analytics events, the monthly quota they spend, and health."""

from __future__ import annotations

import pytest


def log(sandbox, http, key, **event):
    """Send one analytics event."""
    return http.post(f"{sandbox.api_url}/v1/analytics/log", json={"api_key": key, **event})


def test_an_inference_spends_one_of_the_quota(sandbox, http):
    """A logged inference is accepted with an id and the quota after it."""
    key = sandbox.new_key("research", used=7)
    answer = log(
        sandbox,
        http,
        key,
        event_type="inference",
        model_name="motor_imagery_4class_v1",
        inference_type="batch",
        duration_ms=12.5,
        success=True,
        metadata={"trials": 20},
    )
    assert answer.status_code == 202
    body = answer.json()
    assert body.pop("event_id").startswith("evt_")
    assert body == {"logged": True, "quota": {"used": 8, "remaining": 49992}}


def test_other_events_spend_nothing(sandbox, http):
    """Model loads and errors are logged and leave the quota as it is."""
    key = sandbox.new_key("free")
    for kind in ("model_load", "error"):
        assert log(sandbox, http, key, event_type=kind).json()["quota"] == {"used": 0, "remaining": 10000}


@pytest.mark.parametrize(
    ("event", "extra"),
    [
        ({}, {}),
        ({"event_type": ""}, {}),
        ({"event_type": "dream"}, {"message": "event_type is one of inference, model_load, error."}),
    ],
)
def test_events_need_a_known_type(sandbox, http, event, extra):
    """An event without one of the documented types is refused."""
    answer = log(sandbox, http, sandbox.new_key(), **event)
    assert answer.status_code == 400
    assert answer.json() == {"error": "Event type is required", "code": "MISSING_EVENT_TYPE", **extra}


def test_a_used_up_quota_refuses_until_the_month_turns(sandbox, http, clock):
    """The last inference passes, the next is QUOTA_EXCEEDED, and the first of the month begins anew."""
    key = sandbox.new_key("free", used=9_999)
    assert log(sandbox, http, key, event_type="inference").json()["quota"] == {"used": 10000, "remaining": 0}
    refused = log(sandbox, http, key, event_type="inference")
    assert refused.status_code == 429
    assert refused.json() == {"error": "Monthly quota exceeded", "code": "QUOTA_EXCEEDED"}
    assert "retry-after" not in refused.headers

    clock.now += 12 * 3600
    assert log(sandbox, http, key, event_type="inference").json()["quota"] == {"used": 1, "remaining": 9999}
    quota = http.post(f"{sandbox.api_url}/v1/auth/refresh", json={"api_key": key}).json()["quota"]
    assert quota["resets_at"] == "2025-12-01T00:00:00Z"


def test_enterprise_has_no_end(sandbox, http):
    """Without a limit the remaining quota is null, before and after an inference."""
    key = sandbox.new_key("enterprise", used=10**9)
    answer = log(sandbox, http, key, event_type="inference")
    assert answer.json()["quota"] == {"used": 10**9 + 1, "remaining": None}


def test_health_tells_both_states(sandbox, http):
    """Health answers 200 while all is well and 503 when it is switched off."""
    url = f"{sandbox.api_url}/api/health"
    well = http.get(url)
    assert (well.status_code, well.json()) == (
        200,
        {
            "status": "healthy",
            "timestamp": "2025-10-31T12:00:00Z",
            "version": "1.1.0",
            "database": "connected",
        },
    )
    sandbox.switches.healthy = False
    unwell = http.get(url)
    assert (unwell.status_code, unwell.json()) == (
        503,
        {
            "status": "unhealthy",
            "timestamp": "2025-10-31T12:00:00Z",
            "error": "Database connection failed",
        },
    )
