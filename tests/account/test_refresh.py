"""Refreshing: what is requested, and what simultaneous callers share."""

import asyncio
import threading

import pytest

import nimbus_sdk
from nimbus_sdk import aio, errors
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def test_refresh_brings_the_current_numbers(sdk, key, sandbox, asked):
    """Quota as the service has it now; the user fields stay."""
    before = sdk.authenticate(key)
    with nimbus_sdk.NimbusClient(key) as client:
        client.log_event("inference")
    asked()
    after = sdk.refresh_quota()
    assert asked() == ["refresh"]
    assert (before.usage_quota, after.usage_quota) == (50_000, 49_999)
    assert (after.user_id, after.email, after.name) == (before.user_id, before.email, before.name)
    assert nimbus_sdk.current_session() == after


def test_a_session_renews_itself(key, sandbox, asked):
    """session.refresh() is the same call for its profile."""
    session = nimbus_sdk.authenticate(key)
    asked()
    assert session.refresh().validated_at > session.validated_at
    assert asked() == ["refresh"]


def test_refresh_without_a_session_validates(sdk, key, asked, monkeypatch):
    """A key alone is enough."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    assert sdk.refresh_quota().email == "researcher@university.edu"
    assert asked() == ["validate"]


def test_refresh_with_another_key_makes_its_session(sdk, key, sandbox, asked, monkeypatch):
    """The key in use is what counts, not the session of before."""
    sdk.authenticate(key)
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key("commercial"))
    asked()
    assert sdk.refresh_quota().license_type == "commercial"
    assert asked() == ["validate"]


def test_threads_that_refresh_together_share_one_request(key, sandbox, asked):
    """Ten callers, one request, one answer for all."""
    nimbus_sdk.authenticate(key)
    asked()
    sandbox.fault("refresh", delay=0.2, times=None)
    results, gate = [], threading.Barrier(10)

    def refresh():
        gate.wait()
        results.append(nimbus_sdk.refresh_quota())

    threads = [threading.Thread(target=refresh) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked() == ["refresh"]
    assert len({session.validated_at for session in results}) == 1
    assert len(results) == 10


def test_tasks_that_refresh_together_share_one_request(key, sandbox, asked):
    """Twenty tasks of one loop do."""

    async def main():
        await aio.authenticate(key)
        asked()
        sandbox.fault("refresh", delay=0.2, times=None)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(aio.refresh_quota()) for _ in range(20)]
        return {task.result().validated_at for task in tasks}

    assert len(asyncio.run(main())) == 1
    assert asked() == ["refresh"]


def test_a_refresh_that_comes_later_asks_again(sdk, key, asked):
    """Sharing ends with the answer."""
    sdk.authenticate(key)
    asked()
    sdk.refresh_quota()
    sdk.refresh_quota()
    assert asked() == ["refresh", "refresh"]


def test_the_service_may_say_that_the_quota_is_used_up(sdk, sandbox):
    """QUOTA_EXCEEDED is raised for whoever asked for the numbers."""
    key = sandbox.new_key("free", used=10_000, block_when_exhausted=("refresh",))
    sdk.authenticate(key)
    with pytest.raises(errors.QuotaExceededError):
        sdk.refresh_quota()
