"""A session: what it displays, whether it is valid, and that no edit of the stored one goes unnoticed."""

import copy
import html
import json
import os
import pickle
import shutil
import threading
import types
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nimbus_sdk import current_session
from nimbus_sdk.account.record import as_stale, require_valid, validity
from nimbus_sdk.account.session import AuthSession, as_session
from nimbus_sdk.account.session_cache import clear_cache, find_session, stored_session
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import (
    ClockRollbackError,
    FeatureNotLicensedError,
    InvalidKeyFormatError,
    MissingKeyError,
    SessionError,
    SessionExpiredError,
    SessionNotFoundError,
    SessionTamperedError,
)
from nimbus_sdk.storage import sealed
from tests.support.evidence import everything_in

KEY = ApiKey.parse("nbci_live_" + "0123456789ab" * 4)
OTHER = ApiKey.parse("nbci_live_" + "ba9876543210" * 4)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def made(**fields):
    """A session, validated just now."""
    whole = {
        "key_fingerprint": KEY.fingerprint,
        "key_masked": KEY.masked,
        "user_id": "usr_1",
        "email": "researcher@university.edu",
        "name": "Dr. Jane Smith",
        "organization": "Neuroscience Lab",
        "license_type": "research",
        "expires_at": datetime.now(UTC) + timedelta(days=30),
        "features_enabled": frozenset({"batch_inference", "streaming"}),
        "usage_quota": 48766,
        "usage_quota_max": 50000,
        "quota_reset_at": datetime(2026, 4, 1, tzinfo=UTC),
        "validated_at": datetime.now(UTC),
        "api_origin": "https://api.nimbusbci.com:443",
    }
    return AuthSession(**{**whole, **fields})


@pytest.fixture
def paths():
    """Where this test's sessions are stored."""
    return Settings.load().paths


@pytest.fixture
def store_session(paths):
    """Stores a session, as another process would: this one's cache does not know of it."""

    def store_session(**fields):
        session = made(**fields)
        sealed.write(paths, session.to_dict())
        return session

    return store_session


class Turned:
    """A clock to turn, in place of the session module's own."""

    def __init__(self, monkeypatch):
        import time

        self.offset = 0.0
        self._time = time.time
        monkeypatch.setattr("nimbus_sdk.account.session_cache.time", types.SimpleNamespace(time=self.now))

    def now(self):
        """Unix seconds, turned."""
        return self._time() + self.offset


@pytest.fixture
def clock(monkeypatch):
    """A clock to turn."""
    return Turned(monkeypatch)


# What it shows


def test_a_session_has_the_documented_fields():
    """The names of the documentation's AuthSession and of its examples are there."""
    session = made()
    assert session.quota_remaining == session.usage_quota == 48766
    assert (session.license_type, session.usage_quota_max) == ("research", 50000)
    assert session.features_enabled == {"batch_inference", "streaming"}
    assert session.stale is False


def test_a_session_cannot_be_changed():
    """Nobody raises a quota by assigning to it."""
    with pytest.raises(AttributeError):
        made().usage_quota = 10**9
    with pytest.raises((AttributeError, TypeError)):
        made().extra = 1


def test_features_are_asked_for_by_name():
    """Having one is True, lacking one is an error that names feature and tier."""
    session = made()
    session.require_feature("streaming")
    assert session.has_feature("streaming")
    assert not session.has_feature("training")
    with pytest.raises(FeatureNotLicensedError, match="research license") as caught:
        session.require_feature("training")
    assert caught.value.feature == "training"
    assert "training" in str(caught.value)


def test_a_session_as_text_is_one_line():
    """Tier, what is left, until when, and whether it is stale."""
    line = str(made(expires_at=NOW))
    assert (
        line == "Nimbus session nbci_live_0123…89ab: research, 48,766 left, valid until 2026-03-01 12:00 UTC"
    )
    free = str(as_stale(made(expires_at=None, usage_quota=None)))
    assert "unlimited" in free
    assert "until revoked" in free
    assert "stale" in free


def test_no_form_of_a_session_holds_the_key(monkeypatch):
    """repr, str, JSON, HTML, pickle and copies show the masked key at most."""
    monkeypatch.setenv("NIMBUS_API_KEY", KEY.reveal())
    session = made()
    assert session.api_key.get_secret_value() == KEY.reveal()
    forms = [
        repr(session),
        str(session),
        session.to_json(),
        session._repr_html_(),
        repr(session.to_dict()),
        repr(pickle.dumps(session)),
        repr(session.api_key),
        f"{session}",
    ]
    for form in forms:
        assert KEY.reveal() not in form
        assert KEY.reveal()[14:-4] not in form
    assert pickle.loads(pickle.dumps(session)) == copy.deepcopy(session) == copy.copy(session) == session


def test_a_notebook_shows_every_value_escaped():
    """A name with markup in it is text."""
    nasty = "<script>alert('x')</script>&"
    shown = made(name=nasty, organization='"><img src=x>', license_type="<b>")._repr_html_()
    assert nasty not in shown
    assert html.escape(nasty) in shown
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "48,766" in shown


def test_a_session_goes_through_json_and_back():
    """What is stored is what was there, to the microsecond."""
    for session in (made(), made(expires_at=None, usage_quota=None, email=None, clock_offset=-3, stale=True)):
        assert AuthSession.from_dict(json.loads(session.to_json())) == session


def test_fields_of_a_later_version_are_passed_over():
    """A newer SDK may have stored more."""
    assert AuthSession.from_dict({**made().to_dict(), "brand_new": 1}).license_type == "research"


WRONG = [None, 5, 1.5, "x", [], {}, True, [5], "2026-01-01T00:00:00", "²"]


@pytest.mark.parametrize("field", sorted(made().to_dict()))
def test_a_record_that_does_not_fit_is_a_session_error(field):
    """A field that is missing or of another kind is reported at once, and never found out later."""
    record = made().to_dict()
    same_kind = {type(value) for value in (record[field], None)}
    for wrong in WRONG:
        try:
            session = AuthSession.from_dict({**record, field: wrong})
        except SessionError:
            continue
        value = getattr(session, field)
        assert type(wrong) in same_kind | {int, float, bool, str, list}
        assert isinstance(value, (str, int, float, frozenset, type(None)))
        # Whatever was let through, the session can be used.
        validity(session, NOW)
        assert f"{session}{session!r}{session.to_json()}{session._repr_html_()}"
    if field not in ("clock_offset", "profile", "key_source", "key_source_reason", "stale"):
        with pytest.raises(SessionError):
            AuthSession.from_dict({name: value for name, value in record.items() if name != field})


REQUIRED = ("key_fingerprint", "key_masked", "license_type", "validated_at", "features_enabled", "api_origin")


@pytest.mark.parametrize("field", REQUIRED)
def test_what_a_session_cannot_be_without_is_not_null(field):
    """A null in a required field is another format."""
    with pytest.raises(SessionError, match="another format"):
        AuthSession.from_dict({**made().to_dict(), field: None})


@pytest.mark.parametrize("features", ["streaming", {"streaming": 1}, [1], None, 7])
def test_features_are_a_list_of_names(features):
    """A text is not a list of letters."""
    with pytest.raises(SessionError):
        AuthSession.from_dict({**made().to_dict(), "features_enabled": features})


@given(
    st.dictionaries(st.sampled_from(sorted(made().to_dict())), st.from_type(object) | st.none() | st.text())
)
@settings(max_examples=60)
def test_no_damage_breaks_the_reading_in_another_way(damage):
    """Whatever is in the fields, it is a session or a SessionError."""
    try:
        session = AuthSession.from_dict({**made().to_dict(), **damage})
    except SessionError:
        return
    validity(session, NOW)


# Whether it counts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STANDINGS = [
    ("just validated", {}, timedelta(0), None, "fresh"),
    ("a second before the hour", {}, HOUR - timedelta(seconds=1), None, "fresh"),
    ("at the hour", {}, HOUR, None, "ageing"),
    ("after weeks", {}, 20 * DAY, None, "ageing"),
    ("a moment before its end", {}, 30 * DAY - timedelta(microseconds=1), None, "ageing"),
    ("exactly at its end", {}, 30 * DAY, None, "expired"),
    ("after its end", {}, 31 * DAY, None, "expired"),
    ("without an end, after years", {"expires_at": None}, 4000 * DAY, None, "ageing"),
    (
        "fresh and at its end",
        {"expires_at": NOW + timedelta(minutes=1)},
        timedelta(minutes=1),
        None,
        "expired",
    ),
    ("five minutes back", {}, -timedelta(minutes=5), None, "fresh"),
    ("more than five minutes back", {}, -timedelta(minutes=5, microseconds=1), None, "rolled back"),
    ("five minutes before what was seen", {}, 10 * DAY, 10 * DAY + timedelta(minutes=5), "ageing"),
    ("more than that before what was seen", {}, 10 * DAY, 10 * DAY + timedelta(minutes=6), "rolled back"),
    ("seen before it was validated", {}, timedelta(0), -5 * DAY, "fresh"),
    ("expired and rolled back", {"expires_at": NOW - DAY}, -DAY, None, "rolled back"),
]


@pytest.mark.parametrize(
    ("case", "fields", "age", "seen", "expected"), STANDINGS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_standing(case, fields, age, seen, expected):
    """Fresh, ageing, expired, rolled back: a function of three times."""
    session = made(**{"validated_at": NOW, "expires_at": NOW + 30 * DAY, **fields})
    last_seen = None if seen is None else NOW + seen
    assert validity(session, NOW + age, last_seen) == expected
    if expected in ("fresh", "ageing"):
        assert require_valid(session, NOW + age, last_seen) is session
    else:
        kind = SessionExpiredError if expected == "expired" else ClockRollbackError
        with pytest.raises(kind) as caught:
            require_valid(session, NOW + age, last_seen)
        assert "UTC" in caught.value.message
        assert caught.value.hint


@given(age=st.timedeltas(-60 * DAY, 60 * DAY), seen=st.none() | st.timedeltas(-60 * DAY, 60 * DAY))
def test_a_clock_that_runs_forward_never_revives_a_session(age, seen):
    """Once expired, no later moment makes it usable again."""
    session = made(validated_at=NOW, expires_at=NOW + 10 * DAY)
    last_seen = None if seen is None else NOW + seen
    if validity(session, NOW + age, last_seen) == "expired":
        assert validity(session, NOW + age + DAY, last_seen) == "expired"


def test_expiry_is_asked_for_any_moment():
    """is_expired takes a moment, or now."""
    session = made(expires_at=NOW)
    assert session.is_expired(NOW)
    assert not session.is_expired(NOW - timedelta(microseconds=1))
    assert session.is_expired() is (datetime.now(UTC) >= NOW)
    assert not made(expires_at=None).is_expired(NOW)


# Where its key is


def test_the_key_of_a_session_is_fetched_and_never_another(monkeypatch):
    """The session asks where keys are stored; another account's key is not handed out for it."""
    session = made()
    with pytest.raises(MissingKeyError):
        _ = session.api_key
    monkeypatch.setenv("NIMBUS_API_KEY", OTHER.reveal())
    with pytest.raises(MissingKeyError, match="was not found") as caught:
        _ = session.api_key
    assert OTHER.masked in str(caught.value)
    assert OTHER.reveal() not in everything_in(caught.value)
    monkeypatch.setenv("NIMBUS_API_KEY", KEY.reveal())
    assert session.api_key.get_secret_value() == KEY.reveal()


# What is stored


def test_a_stored_session_comes_back(store_session, paths):
    """From the disk, and the file is for this user alone."""
    session = store_session()
    assert current_session() == session
    assert as_session(stored_session(paths)) == session
    assert os.stat(paths.session).st_mode & 0o777 == 0o600
    assert KEY.reveal().encode() not in Path(paths.session).read_bytes()


def test_without_a_session_there_is_none(paths):
    """The error says for which profile, and what to run."""
    with pytest.raises(SessionNotFoundError, match="profile default") as caught:
        current_session()
    assert "nimbus-sdk install" in caught.value.hint
    with pytest.raises(SessionNotFoundError, match="profile lab"):
        current_session(profile="lab")
    assert stored_session(paths) is None


def damaged(paths):
    """Files that were set aside."""
    return sorted(Path(paths.session).parent.glob("*.damaged-*"))


def test_one_changed_byte_anywhere_is_noticed(store_session, paths):
    """Each byte of the file in turn: the edit is reported, the file set aside and not used."""
    store_session()
    whole = Path(paths.session).read_bytes()
    for position in range(len(whole)):
        changed = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        Path(paths.session).write_bytes(changed)
        with pytest.raises(SessionTamperedError, match="set aside"):
            sealed.read(paths)
        assert not os.path.exists(paths.session)
        (aside,) = damaged(paths)
        assert aside.read_bytes() == changed
        aside.unlink()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_other_change_of_bytes_passes_as_another_session(store_session, paths, data):
    """Any byte to any other: either the session is the same (white space), or the edit is noticed."""
    session = store_session()
    whole = Path(paths.session).read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = whole[:position] + bytes([byte]) + whole[position + 1 :]
    Path(paths.session).write_bytes(changed)
    try:
        assert as_session(stored_session(paths)) == session
        assert whole[position : position + 1] == bytes([byte]) or whole[position : position + 1].isspace()
    except SessionTamperedError:
        assert changed != whole
        assert not os.path.exists(paths.session)


def test_a_field_outside_of_the_seal_is_noticed(store_session, paths):
    """The seal covers the record; nothing else than seal, record and format may be beside it."""
    store_session()
    stored = json.loads(Path(paths.session).read_bytes())
    Path(paths.session).write_text(json.dumps({**stored, "note": "added"}))
    with pytest.raises(SessionTamperedError):
        sealed.read(paths)


def test_a_file_cut_short_is_noticed(store_session, paths):
    """Every shorter file but the one that lacks its last line break."""
    store_session()
    whole = Path(paths.session).read_bytes()
    for length in range(0, len(whole) - 1, 7):
        Path(paths.session).write_bytes(whole[:length])
        with pytest.raises(SessionTamperedError):
            sealed.read(paths)
    assert b"}" in whole[-2:]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'{"record": {}}',
        b"[" * 50_000,
        b'{"format": 1, "seal": null, "record": {}}',
        b"\xff",
    ],
)
def test_a_file_of_another_kind_is_noticed(store_session, paths, content):
    """Whatever is in the file, it is set aside."""
    store_session()
    Path(paths.session).write_bytes(content)
    with pytest.raises(SessionTamperedError):
        current_session()
    assert len(damaged(paths)) == 1
    with pytest.raises(SessionNotFoundError):
        current_session()


def test_a_file_that_was_replaced_while_it_was_read_is_read_again(store_session, paths, monkeypatch):
    """What looked torn was another process's write under way; nothing is set aside."""
    session = store_session()
    real, torn = sealed.fs.read_own, [b'{"format": 1, "rec']  # type: ignore[attr-defined]

    def read_own(path):
        return torn.pop() if path == paths.session and torn else real(path)

    monkeypatch.setattr(sealed.fs, "read_own", read_own)  # type: ignore[attr-defined]
    assert as_session(stored_session(paths)) == session
    assert not torn
    assert not damaged(paths)


def test_a_damaged_file_that_cannot_be_set_aside_is_not_used_either(store_session, paths, monkeypatch):
    """The error says both."""

    def refuse(path):
        raise OSError(30, "Read-only file system")

    store_session()
    Path(paths.session).write_bytes(b"{}")
    monkeypatch.setattr(sealed.fs, "quarantine", refuse)  # type: ignore[attr-defined]
    with pytest.raises(SessionTamperedError, match="could not be set aside"):
        current_session()


def test_a_session_of_another_profile_is_none_of_this_one(store_session, paths):
    """A file copied from profile to profile does not fit its seal."""
    store_session()
    there = Settings.load(profile="lab").paths
    os.makedirs(os.path.dirname(there.session))
    shutil.copy(paths.session, there.session)
    with pytest.raises(SessionTamperedError, match="profile lab"):
        current_session(profile="lab")
    assert current_session()


def test_a_session_of_another_installation_is_none_of_this_one(store_session, paths, tmp_path, monkeypatch):
    """A file copied from machine to machine does not fit the secret there."""
    store_session()
    monkeypatch.setenv("NIMBUS_SDK_HOME", str(tmp_path / "elsewhere"))
    there = Settings.load().paths
    sealed.write(there, made(license_type="free").to_dict())
    shutil.copy(paths.session, there.session)
    with pytest.raises(SessionTamperedError, match="another machine"):
        current_session()


def test_a_session_without_its_secret_is_not_believed(store_session, paths):
    """Who removes the secret gets no free seal."""
    store_session()
    os.unlink(paths.seal)
    with pytest.raises(SessionTamperedError):
        current_session()


def test_a_sealed_note_is_no_session(store_session, paths):
    """A record sealed for another purpose does not count as a session."""
    store_session()
    sealed.write_last_seen(paths, 1.0)
    shutil.copy(paths.last_seen, paths.session)
    with pytest.raises(SessionTamperedError):
        current_session()


def test_a_damaged_memory_of_the_clock_does_no_harm(store_session, paths):
    """The session is valid; the latest time seen starts from nothing."""
    store_session()
    Path(paths.last_seen).write_bytes(b"{}")
    assert sealed.read_last_seen(paths) is None
    assert current_session()


def test_a_file_that_cannot_be_read_is_an_error(store_session, paths):
    """A folder in the file's place is not a missing session."""
    store_session()
    os.unlink(paths.session)
    os.mkdir(paths.session)
    with pytest.raises(SessionError, match="cannot be read") as caught:
        current_session()
    assert "permissions" in caught.value.hint


def test_a_session_that_cannot_be_stored_is_an_error(paths):
    """A file where the folder should be."""
    Path(paths.state).write_text("")
    with pytest.raises(SessionError, match="cannot be stored"):
        sealed.write(paths, made().to_dict())
    sealed.write_last_seen(paths, 5.0)


def test_a_session_that_cannot_be_removed_is_an_error(store_session, paths):
    """A folder in the file's place."""
    store_session()
    os.unlink(paths.session)
    os.makedirs(os.path.join(paths.session, "x"))
    with pytest.raises(SessionError, match="cannot be removed"):
        sealed.remove(paths)


def test_a_reader_sees_the_old_session_or_the_new_one(paths):
    """While another replaces the file without pause, every read gives one of the two, whole."""
    written = [made(license_type=tier).to_dict() for tier in ("free", "research")]
    sealed.write(paths, written[0])
    over = threading.Event()

    def replace_without_pause():
        for count in range(60):
            sealed.write(paths, written[count % 2])
        over.set()

    writer = threading.Thread(target=replace_without_pause)
    writer.start()
    reads = 0
    while not over.is_set() or not reads:
        assert sealed.read(paths) in written
        reads += 1
    writer.join()
    assert not damaged(paths)


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
    sealed.stage(paths, new.to_dict(), "abc")
    assert as_session(stored_session(paths)) == old
    point("other")
    assert as_session(stored_session(paths)) == old
    point("abc")
    assert as_session(stored_session(paths)) == new
    assert current_session() == new


def test_a_staged_session_counts_where_it_is_the_first(paths, point):
    """The very first install was cut off right after the switch."""
    sealed.stage(paths, made().to_dict(), "abc")
    assert stored_session(paths) is None
    point("abc")
    assert stored_session(paths) is not None
    assert current_session() == current_session()


def test_an_install_that_ends_while_one_looks_hides_no_session(paths, point, monkeypatch):
    """Between the looks at the two files the waiting session becomes the session: one of them is found."""
    new = made()
    sealed.stage(paths, new.to_dict(), "abc")
    point("abc")
    real = sealed.read

    def read_and_end_the_install(where):
        found = real(where)
        sealed.write(where, new.to_dict())
        return found

    monkeypatch.setattr(sealed, "read", read_and_end_the_install)
    assert as_session(stored_session(paths)) == new


def test_storing_a_session_removes_a_staged_one(store_session, paths, point):
    """What is confirmed later counts."""
    sealed.stage(paths, made(license_type="commercial").to_dict(), "abc")
    point("abc")
    latest = store_session(license_type="free")
    assert as_session(stored_session(paths)) == latest


def test_a_damaged_pointer_does_not_take_the_session_away(store_session, paths, point):
    """Using the core reports the core's problem."""
    session = store_session()
    sealed.stage(paths, made(license_type="commercial").to_dict(), "abc")
    point("abc")
    Path(paths.core_pointer).write_text("{")
    assert as_session(stored_session(paths)) == session


def test_a_staged_session_is_sealed_too(store_session, paths, point):
    """An edit of the waiting session is noticed."""
    store_session()
    sealed.stage(paths, made().to_dict(), "abc")
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
    monkeypatch.setattr("nimbus_sdk.storage.sealed.read", lambda paths: pytest.fail("the disk was read"))
    assert current_session() is first


def test_a_session_that_another_process_changed_is_noticed(store_session, fresh):
    """At the next call, without a restart."""
    session = store_session()
    assert current_session().usage_quota == 48766
    fresh(
        "from nimbus_sdk.account.session import current_session\n"
        "from nimbus_sdk.config.settings import Settings\n"
        "from nimbus_sdk.storage import sealed as sessions\n"
        "from nimbus_sdk.config.paths import Paths\n"
        "record = current_session().to_dict() | {'usage_quota': 5}\n"
        "sessions.write(Settings.load().paths, record)\n"
    )
    assert current_session() == replace(session, usage_quota=5)


def test_a_session_that_another_process_removed_is_noticed(store_session, paths):
    """invalidate_session elsewhere ends it here."""
    store_session()
    current_session()
    sealed.remove(paths)
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
    from nimbus_sdk.account import session_cache as module

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
        "heavy = {'httpx', 'pydantic', 'keyring', 'tenacity', 'platformdirs', 'filelock', 'rich', 'typer'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n",
        NIMBUS_SDK_OFFLINE="1",
    )


def test_a_damaged_secret_is_replaced(store_session, paths):
    """An empty or cut secret seals nothing that anybody would believe: the next one holds."""
    store_session()
    for content in (b"", b"a", b"f" * 63 + b"\n"):
        Path(paths.seal).unlink(missing_ok=True)
        Path(paths.seal).write_bytes(content)
        session = store_session()
        assert as_session(stored_session(paths)) == session
        assert len(Path(paths.seal).read_bytes()) == 64


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
