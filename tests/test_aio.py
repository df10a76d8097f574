"""The awaitable calls inside a loop that runs already, many of them at once."""

import asyncio
from itertools import pairwise

import anyio
import pytest

import nimbus_sdk
from nimbus_sdk import aio, errors
from nimbus_sdk.storage.lock import Lock
from tests.support.flows import FIRST_INSTALL, TINY_CORE

pytestmark = TINY_CORE


def test_a_whole_life_in_one_loop(key, sandbox, asked):
    """Install, look, refresh, list, check, revoke, remove: one after the other, as in a notebook."""

    async def life():
        session = await aio.install_core(key)
        assert (await aio.current_session()) == session
        assert await aio.check_installation()
        assert (await aio.explain()).winner.source == "store"
        assert await aio.check_quota_and_refresh()
        assert (await aio.get_quota_status()).remaining == 50_000
        assert (await aio.refresh_quota()).user_id == session.user_id
        assert len(await aio.list_available_models()) >= 4
        assert (await aio.get_model_info("p300_binary_v1")).n_classes == 2
        assert await aio.check_model_license_compatibility("p300_binary_v1")
        assert await aio.get_stored_api_key() == key
        assert (await aio.revoke_api_key()).revoked
        await aio.invalidate_session()
        assert await aio.uninstall_core() == ("0.1.0",)

    asyncio.run(life())


def test_twenty_installs_at_once_are_one(key, asked):
    """A task group of twenty: one asks, nineteen use its work."""

    async def main():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(aio.install_core(key)) for _ in range(20)]
        return {task.result().validated_at for task in tasks}

    assert len(asyncio.run(main())) == 1
    assert asked() == FIRST_INSTALL


def test_the_loop_goes_on_while_one_installs(key, sandbox):
    """Hashing, unpacking and waiting hold nobody up."""
    sandbox.fault("validate", delay=0.1)
    beats = []

    async def beat():
        while True:
            beats.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.005)

    async def main():
        heart = asyncio.create_task(beat())
        await aio.install_core(key)
        heart.cancel()

    asyncio.run(main())
    gaps = [later - earlier for earlier, later in pairwise(beats)]
    assert len(beats) > 10
    assert max(gaps) < 0.5


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.05, 0.2])
def test_a_cancelled_install_leaves_no_lock_and_no_half_state(key, sandbox, paths, wait):
    """Whenever the task is cancelled, the next install goes through."""
    sandbox.fault("asset", delay=3)

    async def main():
        task = asyncio.create_task(aio.install_core(key))
        await asyncio.sleep(wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with Lock(paths.lock) as lock:
            assert lock.try_acquire()

    asyncio.run(main())
    assert not nimbus_sdk.check_installation()
    sandbox.clear_faults()
    assert asyncio.run(aio.install_core(key)).license_type == "research"
    assert nimbus_sdk.check_installation()


def test_a_timeout_of_the_loop_is_a_cancellation_too(key, sandbox, paths):
    """asyncio.timeout ends it; nothing is left behind."""
    sandbox.fault("validate", delay=5)

    async def main():
        async with asyncio.timeout(0.2):
            await aio.install_core(key)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    with Lock(paths.lock) as lock:
        assert lock.try_acquire()


def test_anyio_may_run_it_as_well(key):
    """Under anyio's runner, with its own cancellation."""

    async def main():
        with anyio.fail_after(20):
            return await aio.authenticate(key)

    assert anyio.run(main).license_type == "research"


def test_an_error_in_one_task_does_not_disturb_the_others(key, sandbox):
    """A rejected key beside a valid one."""

    async def main():
        good = asyncio.create_task(aio.authenticate(key))
        bad = asyncio.create_task(aio.authenticate("nbci_test_" + "0" * 48, profile="lab"))
        return await asyncio.gather(good, bad, return_exceptions=True)

    session, error = asyncio.run(main())
    assert session.license_type == "research"
    assert isinstance(error, errors.InvalidKeyError)


def test_progress_is_reported_in_the_loop_too(key):
    """The function is called step by step."""
    events = []
    asyncio.run(aio.install_core(key, progress=events.append))
    assert events[0].stage == "validate"
    assert events[-1].stage == "done"
