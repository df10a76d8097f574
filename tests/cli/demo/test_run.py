"""The demo's checks: each broken promise is noticed."""

from __future__ import annotations

from typing import Any

import pytest

from nimbus_sdk.cli.demo.run import REQUESTS, Request, check_decoding, check_install

ANSWERED: list[Request] = [(endpoint, [200]) for endpoint in REQUESTS]
DECODING: dict[str, Any] = {
    "model": "m",
    "trials": 200,
    "chance": 0.25,
    "accuracy": 0.85,
    "mean_confidence": 0.8,
    "trained_on_simulated_data": True,
    "license_type": "research",
    "stale": False,
    "milliseconds": {"start": 1.0},
    "network_libraries": [],
}


@pytest.mark.parametrize(
    ("exit_code", "version", "requests"),
    [
        (9, None, ANSWERED),
        (0, None, ANSWERED),
        (0, "0.1.0", ANSWERED[:3]),
        (0, "0.1.0", [*ANSWERED, ANSWERED[0]]),
        (0, "0.1.0", ANSWERED[::-1]),
        (0, "0.1.0", [*ANSWERED[:3], ("asset", [302, 404])]),
    ],
)
def test_every_broken_install_fails_a_check(
    exit_code: int, version: str | None, requests: list[Request]
) -> None:
    """A failure, a request too few or too many, another order, a refused download: each fails a check."""
    assert not all(check.ok for check in check_install(exit_code, version, requests))


def test_what_went_well_passes_every_check() -> None:
    """The same facts, unbroken, pass."""
    assert all(check.ok for check in check_install(0, "0.1.0", ANSWERED))
    assert all(check.ok for check in check_decoding(0, DECODING, 0))


@pytest.mark.parametrize(
    ("decoding", "exit_code", "requests"),
    [
        (DECODING, 1, 0),
        ({}, 0, 0),
        (DECODING, 0, 1),
        ({**DECODING, "network_libraries": ["httpcore"]}, 0, 0),
        ({**DECODING, "stale": True}, 0, 0),
        ({**DECODING, "accuracy": 0.49}, 0, 0),
    ],
)
def test_every_broken_decoding_fails_a_check(decoding: dict[str, Any], exit_code: int, requests: int) -> None:
    """A failure, one request, a network library, a stale session, chance level: each fails a check."""
    assert not all(check.ok for check in check_decoding(exit_code, decoding, requests))
