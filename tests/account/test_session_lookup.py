"""Which session is found: a staged one, the one in memory, and the one of the key in use."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nimbus_sdk import current_session
from nimbus_sdk.account.session import as_session
from nimbus_sdk.account.session_lookup import clear_cache, find_session, stored_session
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import (
    ClockRollbackError,
    InvalidKeyFormatError,
    SessionExpiredError,
    SessionNotFoundError,
    SessionTamperedError,
)
from nimbus_sdk.storage import sealed
from tests.support.evidence import everything_in
from tests.support.sessions import KEY, OTHER, made

# The session that waits for its core


@pytest.fixture
def point(paths):
    """Makes an installation of the core the current one."""

    def point(install_id):
        os.makedirs(paths.core, exist_ok=True)
        pointer = {
            "format": 1,
            "version": "0.1.0",
            "folder": f"0.1.0/{install_id}",
            "install_id": install_id,
            "previous": None,
        }
        Path(paths.core_pointer).write_text(json.dumps(pointer))

    return point


def test_a_staged_session_counts_from_the_switch_of_its_core_on(store_session, paths, point):
    """Before the switch the old session counts, after it the new one, and never a mixture."""
    old = store_session(license_type="free")
    new = made(license_type="commercial")
    sealed.stage_session(paths, new.to_dict(), "abc")
    assert as_session(stored_session(paths)) == old
    point("other")
    assert as_session(stored_session(paths)) == old
    point("abc")
    assert as_session(stored_session(paths)) == new
    assert current_session() == new


def test_a_staged_session_counts_where_it_is_the_first(paths, point):
    """The very first install was cut off right after the switch."""
    sealed.stage_session(paths, made().to_dict(), "abc")
    assert stored_session(paths) is None
    point("abc")
    assert stored_session(paths) is not None
    assert current_session() == current_session()


def test_an_install_that_ends_while_one_looks_hides_no_session(paths, point, monkeypatch):
    """Between the looks at the two files the waiting session becomes the session: one of them is found."""
    new = made()
    sealed.stage_session(paths, new.to_dict(), "abc")
    point("abc")
    real = sealed.read_session

    def read_and_end_the_install(where):
        found = real(where)
        sealed.write_session(where, new.to_dict())
        return found

    monkeypatch.setattr(sealed, "read_session", read_and_end_the_install)
    assert as_session(stored_session(paths)) == new


def test_storing_a_session_removes_a_staged_one(store_session, paths, point):
    """What is confirmed later counts."""
    sealed.stage_session(paths, made(license_type="commercial").to_dict(), "abc")
    point("abc")
    latest = store_session(license_type="free")
    assert as_session(stored_session(paths)) == latest


def test_a_damaged_pointer_does_not_take_the_session_away(store_session, paths, point):
    """Using the core reports the core's problem."""
    session = store_session()
    sealed.stage_session(paths, made(license_type="commercial").to_dict(), "abc")
    point("abc")
    Path(paths.core_pointer).write_text("{")
    assert as_session(stored_session(paths)) == session


def test_a_staged_session_is_sealed_too(store_session, paths, point):
    """An edit of the waiting session is noticed."""
    store_session()
    sealed.stage_session(paths, made().to_dict(), "abc")
    Path(paths.next_session).write_text(
        Path(paths.next_session).read_text().replace("research", "commercial")
    )
    with pytest.raises(SessionTamperedError, match="next session"):
        stored_session(paths)


def test_a_staged_record_of_another_shape_is_passed_over(store_session, paths, point):
    """A later version may stage something else."""
    session = store_session()
    sealed._seal(paths, paths.next_session, "next session", {"install_id": 5, "session": []})
    point("abc")
    assert as_session(stored_session(paths)) == session


# The memory of this process


def test_a_second_look_reads_nothing(store_session, monkeypatch):
    """The session is given from memory as long as the file is the same."""
    store_session()
    first = current_session()
    monkeypatch.setattr(
        "nimbus_sdk.storage.sealed.read_session", lambda paths: pytest.fail("the disk was read")
    )
    assert current_session() is first


def test_a_session_that_another_process_changed_is_noticed(store_session, fresh):
    """At the next call, without a restart."""
    session = store_session()
    assert current_session().usage_quota == 48766
    fresh(
        "from nimbus_sdk.account.session import current_session\n"
        "from nimbus_sdk.config.settings import Settings\n"
        "from nimbus_sdk.storage import sealed\n"
        "from nimbus_sdk.config.paths import Paths\n"
        "record = current_session().to_dict() | {'usage_quota': 5}\n"
        "sealed.write_session(Settings.load().paths, record)\n"
    )
    assert current_session() == replace(session, usage_quota=5)


def test_a_session_that_another_process_removed_is_noticed(store_session, paths):
    """invalidate_session elsewhere ends it here."""
    store_session()
    current_session()
    sealed.remove_session(paths)
    with pytest.raises(SessionNotFoundError):
        current_session()


def test_an_edit_of_a_cached_session_is_noticed(store_session, paths):
    """The file changed, so it is read again, and its seal does not fit."""
    store_session()
    current_session()
    Path(paths.session).write_text(Path(paths.session).read_text().replace("48766", "99999"))
    with pytest.raises(SessionTamperedError):
        current_session()


def test_a_session_that_expires_in_memory_is_noticed(store_session, clock):
    """Expired at the very moment, not at the next start."""
    store_session(expires_at=datetime.now(UTC) + timedelta(minutes=10))
    assert current_session()
    clock.offset = 599
    assert current_session()
    clock.offset = 601
    with pytest.raises(SessionExpiredError):
        current_session()


def test_a_clock_that_is_set_back_is_noticed_in_memory_too(store_session, clock):
    """Five minutes are let pass, six are not."""
    store_session()
    assert current_session()
    clock.offset = -299
    assert current_session()
    clock.offset = -360
    with pytest.raises(ClockRollbackError):
        current_session()
    clock.offset = 0
    assert current_session()


def test_a_clock_that_ran_ahead_and_was_set_back_is_noticed(store_session, clock, paths):
    """The latest time is noted now and then, so that turning the clock back does not prolong a session."""
    store_session(expires_at=None)
    clock.offset = 100 * 86_400
    assert current_session()
    assert sealed.read_last_seen(paths) == pytest.approx(clock.now(), abs=5)
    clear_cache()
    clock.offset = 0
    with pytest.raises(ClockRollbackError):
        current_session()


def test_the_time_is_not_noted_at_every_call(store_session, clock, paths):
    """Reading a session writes nothing for three minutes."""
    store_session()
    clock.offset = 170
    current_session()
    assert not os.path.exists(paths.last_seen)


def test_another_key_in_the_environment_hides_the_session(store_session, monkeypatch):
    """The session counts as absent as long as NIMBUS_API_KEY names another key."""
    store_session()
    assert current_session()
    monkeypatch.setenv("NIMBUS_API_KEY", OTHER.reveal())
    with pytest.raises(SessionNotFoundError, match="belongs to nbci_live_0123…89ab") as caught:
        current_session()
    assert OTHER.masked in str(caught.value)
    assert OTHER.reveal() not in everything_in(caught.value)
    monkeypatch.setenv("NIMBUS_API_KEY", KEY.reveal() + "\n")
    assert current_session()
    monkeypatch.setenv("NIMBUS_API_KEY", "  ")
    assert current_session()


def test_another_key_in_the_nearest_dotenv_hides_it_too(store_session, isolated_home, monkeypatch):
    """A project's own .env counts, also behind an empty variable."""
    store_session()
    (isolated_home / "work" / ".env").write_text(f"NIMBUS_API_KEY={OTHER.reveal()}\n")
    monkeypatch.setenv("NIMBUS_API_KEY", " ")
    with pytest.raises(SessionNotFoundError):
        current_session()


def test_a_malformed_key_in_the_environment_is_reported_by_the_variables_name(store_session, monkeypatch):
    """A slip is not taken for another account; what was typed is not displayed."""
    store_session()
    slip = KEY.reveal() + "ff"
    monkeypatch.setenv("NIMBUS_API_KEY", slip)
    with pytest.raises(InvalidKeyFormatError, match="NIMBUS_API_KEY") as caught:
        current_session()
    assert slip not in everything_in(caught.value)


def test_profile_home_and_folder_are_in_the_cache_key(store_session, isolated_home, monkeypatch, tmp_path):
    """Another account, another home, another folder: each has its own session or none."""
    store_session()
    assert current_session()
    monkeypatch.setenv("NIMBUS_SDK_PROFILE", "lab")
    with pytest.raises(SessionNotFoundError):
        current_session()
    monkeypatch.delenv("NIMBUS_SDK_PROFILE")
    assert current_session()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("NIMBUS_SDK_HOME", str(tmp_path))
        with pytest.raises(SessionNotFoundError):
            current_session()
    (tmp_path / ".env").write_text("NIMBUS_SDK_PROFILE=lab\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SessionNotFoundError):
        current_session()


def test_a_folder_that_is_gone_does_no_harm(store_session, tmp_path, monkeypatch):
    """A process whose working directory was removed still has its session."""
    store_session()
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert current_session()


def test_the_cache_has_no_key_in_it(store_session, monkeypatch):
    """The cache key has a hash of it."""
    from nimbus_sdk.account import session_lookup as module

    store_session()
    monkeypatch.setenv("NIMBUS_API_KEY", KEY.reveal())
    current_session()
    assert KEY.reveal() not in repr(module._cache)
    assert module._cache


def test_a_rejected_key_is_reported_with_date_and_code(paths):
    """Instead of a bare absence."""
    service, at = origin(Settings().api_url), "2026-03-01T12:00:00+00:00"
    sealed.write_rejection(paths, KEY.fingerprint, service, "KEY_EXPIRED", at)
    with pytest.raises(SessionNotFoundError, match=r"rejected the key .* on 2026-03-01.*KEY_EXPIRED"):
        find_session(paths, KEY)
    with pytest.raises(SessionNotFoundError, match="There is no session"):
        find_session(paths, OTHER)
    sealed.clear_rejection(paths, KEY.fingerprint, service)
    with pytest.raises(SessionNotFoundError, match="There is no session"):
        find_session(paths, KEY)


def test_a_fresh_process_has_its_session_without_network_keyring_or_their_libraries(store_session, fresh):
    """The offline path loads none of them."""
    store_session()
    fresh(
        "import sys\n"
        "import nimbus_sdk\n"
        "assert nimbus_sdk.current_session().license_type == 'research'\n"
        "heavy = {'httpcore', 'pydantic', 'keyring', 'tenacity', 'platformdirs', 'filelock', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n",
        NIMBUS_SDK_OFFLINE="1",
    )


def test_a_session_that_was_seen_to_end_does_not_come_back(store_session, clock):
    """A clock that is set back to before the end, after the end was seen, is noticed."""
    store_session(expires_at=datetime.now(UTC) + timedelta(hours=1))
    clock.offset = 3 * 86_400
    with pytest.raises(SessionExpiredError):
        current_session()
    clock.offset = 1_800
    clear_cache()
    with pytest.raises(ClockRollbackError):
        current_session()


def test_a_clock_that_runs_while_a_process_lives_is_noted(store_session, clock):
    """Ten hours forward and nine back, in one process that asks all the time."""
    store_session()
    current_session()
    clock.offset = 36_000
    assert current_session()
    clock.offset = 3_600
    with pytest.raises(ClockRollbackError):
        current_session()
