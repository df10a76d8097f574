"""Decisions on a live stream are reported, if the user has enabled that."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from nimbus_sdk.core import usage_reports


def test_each_decision_is_an_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are none; an error that ends the stream is reported by its class."""
    events: list[dict] = []
    window, decision = SimpleNamespace(), SimpleNamespace(n_chunks=3, latency_ms=1.23456)

    @usage_reports.with_decision_reports
    def decode(model: object) -> Iterator[object]:
        yield window
        yield decision
        raise ConnectionError("what was decoded")

    model = SimpleNamespace(card=SimpleNamespace(name="hands"))
    monkeypatch.setattr(usage_reports, "_find_reporter", lambda: SimpleNamespace(report=events.append))
    results = decode(model)
    assert [next(results), next(results)] == [window, decision]
    with pytest.raises(ConnectionError):
        next(results)
    assert events == [
        {
            "event_type": "inference",
            "inference_type": "streaming",
            "model_name": "hands",
            "success": True,
            "duration_ms": 1.235,
        },
        {
            "event_type": "error",
            "inference_type": "streaming",
            "model_name": "hands",
            "success": False,
            "error_message": "ConnectionError",
        },
    ]
    monkeypatch.setattr(usage_reports, "_find_reporter", lambda: None)
    assert next(decode(model)) is window
    assert len(events) == 2
