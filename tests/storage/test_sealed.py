"""No edit of a stored session goes unnoticed."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk import current_session
from nimbus_sdk.account.session import as_session
from nimbus_sdk.account.session_lookup import stored_session
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import (
    NewerSessionError,
    SessionError,
    SessionNotFoundError,
    SessionTamperedError,
)
from nimbus_sdk.storage import sealed
from tests.support.examples import examples
from tests.support.sessions import KEY, made


@pytest.fixture
def paths():
    """Where this test's sessions are stored."""
    return Settings.load().paths


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
            sealed.read_session(paths)
        assert not os.path.exists(paths.session)
        (aside,) = damaged(paths)
        assert aside.read_bytes() == changed
        aside.unlink()


@examples(150)
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
        sealed.read_session(paths)


def test_a_file_cut_short_is_noticed(store_session, paths):
    """Every shorter file but the one that lacks its last line break."""
    store_session()
    whole = Path(paths.session).read_bytes()
    for length in range(0, len(whole) - 1, 7):
        Path(paths.session).write_bytes(whole[:length])
        with pytest.raises(SessionTamperedError):
            sealed.read_session(paths)
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


def test_a_session_of_a_newer_version_stays_where_it_is(store_session, paths):
    """It is not taken for a forgery: neither set aside nor written over, and the message says what to do."""
    session = store_session()
    content = Path(paths.session).read_bytes().replace(b'"format": 1', b'"format": 7')
    Path(paths.session).write_bytes(content)
    for _ in range(2):
        with pytest.raises(NewerSessionError, match=r"newer version of the SDK.*Update"):
            current_session()
        with pytest.raises(NewerSessionError):
            sealed.write_session(paths, session.to_dict())
    assert Path(paths.session).read_bytes() == content
    assert damaged(paths) == []


def test_a_memory_of_the_clock_of_a_newer_version_stays_where_it_is(store_session, paths):
    """It says nothing here, and is not written over."""
    store_session()
    sealed.write_last_seen(paths, 1.0)
    content = Path(paths.last_seen).read_bytes().replace(b'"format": 1', b'"format": 7')
    Path(paths.last_seen).write_bytes(content)
    assert sealed.read_last_seen(paths) is None
    sealed.write_last_seen(paths, 2.0)
    assert Path(paths.last_seen).read_bytes() == content


def test_a_file_that_was_replaced_while_it_was_read_is_read_again(store_session, paths, monkeypatch):
    """What looked torn was another process's write under way; nothing is set aside."""
    session = store_session()
    real, torn = sealed.trust.read, [b'{"format": 1, "rec']  # type: ignore[attr-defined]

    def read_trusted(path, root):
        return torn.pop() if path == paths.session and torn else real(path, root)

    monkeypatch.setattr(sealed.trust, "read", read_trusted)  # type: ignore[attr-defined]
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
    sealed.write_session(there, made(license_type="free").to_dict())
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
        sealed.write_session(paths, made().to_dict())
    sealed.write_last_seen(paths, 5.0)


def test_a_session_that_cannot_be_removed_is_an_error(store_session, paths):
    """A folder in the file's place."""
    store_session()
    os.unlink(paths.session)
    os.makedirs(os.path.join(paths.session, "x"))
    with pytest.raises(SessionError, match="cannot be removed"):
        sealed.remove_session(paths)


def test_a_reader_sees_the_old_session_or_the_new_one(paths):
    """While another replaces the file without pause, every read gives one of the two, whole."""
    written = [made(license_type=tier).to_dict() for tier in ("free", "research")]
    sealed.write_session(paths, written[0])
    over = threading.Event()

    def replace_without_pause():
        for count in range(60):
            sealed.write_session(paths, written[count % 2])
        over.set()

    writer = threading.Thread(target=replace_without_pause)
    writer.start()
    reads = 0
    while not over.is_set() or not reads:
        assert sealed.read_session(paths) in written
        reads += 1
    writer.join()
    assert not damaged(paths)


def test_a_damaged_secret_is_replaced(store_session, paths):
    """An empty or cut secret seals nothing that anybody would believe: the next one holds."""
    store_session()
    for content in (b"", b"a", b"f" * 63 + b"\n"):
        Path(paths.seal).unlink(missing_ok=True)
        Path(paths.seal).write_bytes(content)
        session = store_session()
        assert as_session(stored_session(paths)) == session
        assert len(Path(paths.seal).read_bytes()) == 64
