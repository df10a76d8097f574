"""How long calls may take at most: measured with a real clock, so only on a machine that is not busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import nimbus_sdk
from nimbus_sdk import errors
from nimbus_sdk.transport import retry
from tests.account.test_unreachable_service import WAYS, hang
from tests.account.usage.test_reporter import ON, PREDICT
from tests.support.flows import TINY_CORE
from tests.support.raw_server import serving

pytestmark = [*TINY_CORE, pytest.mark.qualification]
STALE_SECONDS = 3.0


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


@pytest.mark.parametrize("way", WAYS)
def test_a_stale_session_is_returned_within_three_seconds(sdk, key, age, in_its_place, way):
    """However the service fails."""
    sdk.install_core(key)
    age(hours=2)
    with in_its_place(WAYS[way]), at_most(STALE_SECONDS):
        assert sdk.install_core(key).stale is True


def test_a_service_that_is_gone_costs_less_than_three_seconds(sdk, key, sandbox, end, age, monkeypatch):
    """Connection refused, with the real waits between the attempts."""
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.5)
    sdk.install_core(key)
    age(hours=2)
    end(sandbox)
    with at_most(STALE_SECONDS):
        assert sdk.install_core(key).stale is True


def test_a_timeout_bounds_every_call(sdk, key, in_its_place):
    """``timeout=`` bounds the whole call against a service that accepts and never answers."""
    with in_its_place(hang):
        for call in (sdk.install_core, sdk.authenticate):
            with at_most(1.2), pytest.raises(errors.NimbusTimeoutError):
                call(key, timeout=0.3)


def test_many_that_wait_for_one_another_are_served_in_time_too(key, sandbox, age, fresh):
    """Six processes with an old session and a service that does not answer: none waits for all the others."""
    nimbus_sdk.install_core(key)
    age(hours=2)
    sandbox.fault("refresh", delay=60, times=None)
    code = (
        "import time, nimbus_sdk\n"
        "started = time.monotonic()\n"
        "nimbus_sdk.install_core()\n"
        "print(time.monotonic() - started)\n"
    )
    with ThreadPoolExecutor(6) as pool:
        seconds = [float(done.stdout) for done in pool.map(fresh, [code] * 6)]
    # One after the other they would take 2.5 s each.
    assert max(seconds) < 5.0


def test_a_service_that_does_not_answer_delays_no_exit(key, fresh):
    """As long as it is not known to answer, no event is in transit."""
    nimbus_sdk.authenticate(key)
    over = threading.Event()
    with serving(lambda connection, request: over.wait(60) and None) as silent:
        with at_most(8.0):
            fresh(f"{PREDICT}predict()\ntime.sleep(1)\n", NIMBUS_SDK_API_URL=silent.url, **ON)
        over.set()
