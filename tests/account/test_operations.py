"""Authenticate, refresh, quota: what is requested, what is stored, what is shared."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk import QuotaStatus, aio, errors
from nimbus_sdk.account import session_lookup
from nimbus_sdk.storage import sealed
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE

# authenticate


def test_authenticate_validates_and_keeps(sdk, key, asked):
    """One request; session and key are stored."""
    session = sdk.authenticate(key)
    assert asked() == ["validate"]
    assert (session.license_type, session.email) == ("research", "researcher@university.edu")
    assert (session.key_source, session.stale) == ("file", False)
    assert nimbus_sdk.current_session() == session
    assert sdk.get_stored_api_key() == key
    assert sdk.authenticate().user_id == session.user_id


def test_a_key_of_the_environment_is_not_copied_into_the_store(sdk, key, monkeypatch, paths):
    """It was put where it is on purpose."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    assert sdk.authenticate().key_source == "environment"
    assert not Path(paths.credentials).exists()
    assert sdk.get_stored_api_key() is None


def test_offline_the_stored_session_is_returned_without_a_request(sdk, key, asked, age):
    """With the key or without it, for as long as the session counts."""
    sdk.authenticate(key)
    age(hours=300)
    asked()
    assert sdk.authenticate(offline_mode=True).license_type == "research"
    assert sdk.authenticate(key, offline_mode=True).stale is False
    assert asked() == []


def test_offline_nothing_is_made_up(sdk, key, sandbox, age, asked):
    """No session, another key's session, an expired one: each is reported."""
    with pytest.raises(errors.SessionNotFoundError):
        sdk.authenticate(key, offline_mode=True)
    sdk.authenticate(key)
    with pytest.raises(errors.SessionNotFoundError, match="belongs to"):
        sdk.authenticate(sandbox.new_key(), offline_mode=True)
    age(expires_at=datetime.now(UTC))
    asked()
    with pytest.raises(errors.SessionExpiredError):
        sdk.authenticate(key, offline_mode=True)
    assert asked() == []


def test_the_offline_setting_counts_like_the_argument(sdk, key, asked, monkeypatch):
    """NIMBUS_SDK_OFFLINE=1: not one request, whatever is asked."""
    sdk.authenticate(key)
    asked()
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    assert sdk.authenticate(key)
    for call in (sdk.refresh_quota, sdk.revoke_api_key, sdk.list_available_models):
        with pytest.raises(errors.NimbusConnectionError, match="Offline mode"):
            call()
    assert sdk.authenticate_from_storage().stale is True
    assert asked() == []


def test_a_clock_that_was_set_back_is_cleared_by_one_call_online(sdk, key, paths):
    """A wrong clock locks out until the service has spoken."""
    sdk.authenticate(key)
    sealed.write_last_seen(paths, (datetime.now(UTC) + timedelta(days=3)).timestamp())
    session_lookup.clear_cache()
    with pytest.raises(errors.ClockRollbackError):
        nimbus_sdk.current_session()
    sdk.refresh_quota()
    assert nimbus_sdk.current_session()


def test_a_license_without_its_person_is_no_answer(sdk, key, sandbox):
    """validate must say whose the key is."""
    quota = {"monthly_limit": 1, "used": 0, "remaining": 1, "resets_at": None}
    body = {"valid": True, "license_type": "free", "features": [], "quota": quota}
    sandbox.fault("validate", body=body)
    with pytest.raises(errors.ResponseFormatError, match="user_id"):
        sdk.authenticate(key)


def test_from_storage_the_stored_key_counts_whatever_the_environment_says(sdk, key, sandbox, monkeypatch):
    """The other key is passed over."""
    sdk.save_api_key(key)
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key("free"))
    session = sdk.authenticate_from_storage()
    assert (session.license_type, session.key_source) == ("research", "file")


def test_from_storage_without_a_key_is_an_error(sdk, sandbox, monkeypatch, asked):
    """For which profile; nothing is asked."""
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key())
    with pytest.raises(errors.MissingKeyError, match="profile lab"):
        sdk.authenticate_from_storage(profile="lab")
    assert asked() == []


def test_a_stored_key_goes_to_the_service_that_accepted_it_and_to_no_other(sdk, key, wheel_dir, monkeypatch):
    """Another address in the settings gets nothing, and the message says why."""
    from nimbus_sdk.sandbox import Sandbox

    sdk.authenticate(key)
    with Sandbox(wheel_dir=wheel_dir) as stranger:
        for name, value in stranger.environment().items():
            monkeypatch.setenv(name, value)
        calls = [
            sdk.authenticate,
            sdk.authenticate_from_storage,
            sdk.refresh_quota,
            sdk.list_available_models,
        ]
        for call in [*calls, sdk.install_core, sdk.revoke_api_key]:
            with pytest.raises(errors.MissingKeyError, match="not used"):
                call()
        assert stranger.journal() == []
    assert nimbus_sdk.current_session()


def test_a_session_is_invalidated_and_key_and_core_stay(sdk, key):
    """The next offline start finds none; twice is as good as once."""
    sdk.authenticate(key)
    assert sdk.current_session().license_type == "research"
    assert sdk.invalidate_session() is None
    assert sdk.invalidate_session() is None
    with pytest.raises(errors.SessionNotFoundError):
        sdk.current_session()
    assert sdk.get_stored_api_key() == key


# refresh_quota


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


# check_quota_and_refresh


def test_a_young_session_answers_by_itself(sdk, key, asked):
    """No request while the session is young and something is left."""
    sdk.authenticate(key)
    asked()
    assert sdk.check_quota_and_refresh() is True
    assert asked() == []


def test_an_old_session_asks_first(sdk, key, asked, age):
    """What was left two hours ago is not what is left."""
    sdk.authenticate(key)
    age(hours=2, usage_quota=0)
    asked()
    assert sdk.check_quota_and_refresh() is True
    assert asked() == ["refresh"]


def test_a_session_that_says_nothing_is_left_asks_first(sdk, sandbox, asked):
    """The month may have turned since."""
    key = sandbox.new_key("free", used=10_000)
    sdk.authenticate(key)
    asked()
    assert sdk.check_quota_and_refresh() is False
    assert asked() == ["refresh"]


def test_unlimited_is_always_left(sdk, sandbox):
    """Enterprise has no number to run out of."""
    sdk.authenticate(sandbox.new_key("enterprise"))
    assert sdk.check_quota_and_refresh() is True


def test_a_service_that_says_used_up_is_believed(sdk, sandbox, age):
    """QUOTA_EXCEEDED in place of numbers means that nothing is left."""
    key = sandbox.new_key("free", used=10_000, block_when_exhausted=("refresh",))
    sdk.authenticate(key)
    age(hours=2, usage_quota=500)
    assert sdk.check_quota_and_refresh() is False


def test_without_the_service_the_stored_quota_is_used_while_it_is_valid(sdk, key, sandbox, end, age):
    """Old numbers are used instead; an expired session's are not."""
    sdk.authenticate(key)
    age(hours=2)
    end(sandbox)
    assert sdk.check_quota_and_refresh() is True
    age(expires_at=datetime.now(UTC) - timedelta(minutes=1))
    with pytest.raises(errors.SessionExpiredError):
        sdk.check_quota_and_refresh()


def test_an_expired_session_is_renewed_where_the_service_is_there(sdk, key, age):
    """Expiry is asked about, not guessed."""
    sdk.authenticate(key)
    age(expires_at=datetime.now(UTC) - timedelta(minutes=1))
    assert sdk.check_quota_and_refresh() is True
    assert nimbus_sdk.current_session().expires_at is None


def test_no_session_and_another_keys_session_have_no_quota(sdk, key, sandbox, monkeypatch):
    """Nobody's numbers are given for somebody else's."""
    with pytest.raises(errors.SessionNotFoundError):
        sdk.check_quota_and_refresh()
    sdk.authenticate(key)
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key("free"))
    with pytest.raises(errors.SessionNotFoundError, match="belongs to"):
        sdk.check_quota_and_refresh()


def test_quota_goes_on_where_the_key_is_not_at_hand(sdk, key, age, monkeypatch):
    """An ageing session without its key still knows its last numbers."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    sdk.authenticate(key)
    age(hours=2)
    assert sdk.check_quota_and_refresh() is True


# get_quota_status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"usage_quota": 48_766, "usage_quota_max": 50_000}, QuotaStatus(48_766, 50_000, 2.47)),
        ({"usage_quota": 0, "usage_quota_max": 50_000}, QuotaStatus(0, 50_000, 100.0)),
        ({"usage_quota": 50_000, "usage_quota_max": 50_000}, QuotaStatus(50_000, 50_000, 0.0)),
        ({"usage_quota": None, "usage_quota_max": None}, QuotaStatus(None, None, 0.0)),
        ({"usage_quota": None, "usage_quota_max": 50_000}, QuotaStatus(None, 50_000, 0.0)),
        ({"usage_quota": 0, "usage_quota_max": 0}, QuotaStatus(0, 0, 0.0)),
        ({"usage_quota": 60_000, "usage_quota_max": 50_000}, QuotaStatus(60_000, 50_000, 0.0)),
    ],
)
def test_the_quota_as_the_session_knows_it(sdk, key, age, asked, fields, status):
    """Left, limit and share used, with no network; None is unlimited."""
    sdk.authenticate(key)
    age(**fields)
    asked()
    assert sdk.get_quota_status() == status
    assert asked() == []


def test_without_a_session_there_is_no_quota(sdk):
    """The error is the session's."""
    with pytest.raises(errors.SessionNotFoundError):
        sdk.get_quota_status()
