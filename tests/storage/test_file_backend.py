"""The credentials file: private, whole, and never at the cost of another profile's key."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import file_backend, fs
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import KeyEntry
from nimbus_sdk.storage.lock import Lock
from tests.support.examples import examples

ONE = KeyEntry(ApiKey.parse("nbci_live_" + "0123456789ab" * 4), DEFAULT_ORIGIN)
TWO = KeyEntry(ApiKey.parse("nbci_test_" + "ba9876543210" * 4), DEFAULT_ORIGIN)


@pytest.fixture
def path(paths):
    """Where the file is."""
    return paths.credentials


@pytest.fixture
def store(path, monkeypatch):
    """A store that waits a tenth of a second for others."""
    monkeypatch.setattr(file_backend, "_WAIT_SECONDS", 0.1)
    return FileStore(path)


@pytest.fixture
def stored(store, path):
    """The path of a file that holds the keys of two profiles."""
    store.write("lab", ONE)
    store.write("other", TWO)
    return path


def mode(path):
    """Permission bits of a file or folder."""
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_file_and_its_folder_are_private(stored):
    """Mode 0600 in a folder of mode 0700."""
    assert (mode(stored), mode(os.path.dirname(stored))) == (0o600, 0o700)


def test_the_file_maps_profiles_to_keys(stored):
    """One JSON object with each key and its origin, nothing else in it."""
    with open(stored, encoding="ascii") as file:
        assert json.load(file) == {"lab": ONE.to_fields(), "other": TWO.to_fields()}


def test_reading_makes_nothing(store, path):
    """A read without a file makes neither folder nor lock."""
    assert store.read("lab") is None
    assert store.delete("lab") is False
    assert not os.path.exists(os.path.dirname(path))


def test_the_last_key_takes_the_file_with_it(store, stored):
    """Nothing is left to find once every key is deleted."""
    assert store.delete("lab")
    assert os.path.exists(stored)
    assert store.delete("other")
    assert not os.path.exists(stored)


@pytest.mark.parametrize("operation", ["write", "read", "delete"])
def test_wide_permissions_are_taken_back(store, stored, operation):
    """A file that others could read is closed before anything else happens with it."""
    os.chmod(stored, 0o644)
    arguments = ("lab", TWO) if operation == "write" else ("lab",)
    getattr(store, operation)(*arguments)
    assert mode(stored) == 0o600


def test_a_wide_folder_is_closed_before_a_key_goes_in(store, path):
    """Others must not be able to put their own file in the place of ours."""
    os.makedirs(os.path.dirname(path))
    os.chmod(os.path.dirname(path), 0o777)
    store.write("lab", ONE)
    assert mode(os.path.dirname(path)) == 0o700


@pytest.mark.parametrize("operation", ["read", "write", "delete"])
@pytest.mark.parametrize("trap", ["symbolic link", "hard link", "foreign owner", "folder"])
def test_a_file_that_is_not_ours_alone_is_refused(store, stored, tmp_path, make_foreign, trap, operation):
    """A link, another user's file, or a folder in its place: an error, and the target stays untouched."""
    before = tmp_path / "elsewhere.json"
    os.replace(stored, before)
    if trap == "symbolic link":
        os.symlink(before, stored)
    elif trap == "hard link":
        os.link(before, stored)
    elif trap == "folder":
        os.mkdir(stored)
    else:
        os.replace(before, stored)
        before = stored
        make_foreign(stored)
    content = Path(before).read_bytes()
    with pytest.raises(CredentialStoreError, match="credentials file"):
        getattr(store, operation)(*(("lab", TWO) if operation == "write" else ("lab",)))
    assert Path(before).read_bytes() == content


DAMAGED = [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"lab": "' + ONE.key.reveal().encode()]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("operation", ["read", "write", "delete"])
def test_a_damaged_file_is_set_aside_whole(store, stored, content, operation, everything_in):
    """Nothing is overwritten: the error says where the damaged file went, and the next write starts anew."""
    with open(stored, "wb") as file:
        file.write(content)
    with pytest.raises(CredentialStoreError, match="is damaged") as caught:
        getattr(store, operation)(*(("lab", TWO) if operation == "write" else ("lab",)))
    aside = next(name for name in os.listdir(os.path.dirname(stored)) if ".damaged-" in name)
    aside = os.path.join(os.path.dirname(stored), aside)
    assert aside in str(caught.value)
    assert Path(aside).read_bytes() == content
    assert mode(aside) == 0o600
    assert ONE.key.reveal() not in everything_in(caught.value)
    store.write("lab", TWO)
    assert store.read("lab") == TWO


def test_an_entry_that_is_no_key_stops_its_profile_alone(store, stored, everything_in):
    """The error names the profile and never the text; other profiles, and what they hold, stay."""
    with open(stored, "w", encoding="ascii") as file:
        json.dump({"lab": "hunter2-hunter2", "other": TWO.key.reveal(), "later": {"format": 2}}, file)
    with pytest.raises(CredentialStoreError, match=r"profile lab .* is not a Nimbus API key") as caught:
        store.read("lab")
    assert "hunter2" not in everything_in(caught.value)
    assert store.read("other") == TWO
    store.write("lab", ONE)
    with open(stored, encoding="ascii") as file:
        assert json.load(file) == {
            "lab": ONE.to_fields(),
            "other": TWO.key.reveal(),
            "later": {"format": 2},
        }
    with pytest.raises(CredentialStoreError, match=r"profile later .* is not a Nimbus API key"):
        store.read("later")


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"key": ONE.key.reveal()},
        {"origin": DEFAULT_ORIGIN},
        {**ONE.to_fields(), "origin": 7},
        {**ONE.to_fields(), "origin": "\x1b[2J"},
        {"key": 7, "origin": DEFAULT_ORIGIN},
        [],
        7,
    ],
    ids=range(8),
)
def test_an_entry_that_cannot_be_understood_is_no_key(store, stored, entry, everything_in):
    """A damaged origin gives a key no rights, and does not make it one of the default API."""
    with open(stored, "w", encoding="ascii") as file:
        json.dump({"lab": entry}, file)
    with pytest.raises(CredentialStoreError, match="is not a Nimbus API key") as caught:
        store.read("lab")
    assert ONE.key.reveal() not in everything_in(caught.value)


def test_a_key_that_was_stored_by_hand_goes_to_the_default_api(store, stored):
    """A text in place of an entry is a key alone."""
    with open(stored, "w", encoding="ascii") as file:
        json.dump({"lab": ONE.key.reveal()}, file)
    assert store.read("lab") == KeyEntry(ONE.key, DEFAULT_ORIGIN)


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_keys(store, stored, monkeypatch, step, everything_in):
    """Whichever step of a write fails, the file is as it was, no other file is left, and no key is shown."""
    real = getattr(os, step)

    def refuse(*arguments, **more):
        if step != "open" or str(arguments[0]).endswith(".tmp"):
            raise OSError(28, "No space left on device")
        return real(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, step, refuse)
        with pytest.raises(CredentialStoreError, match=r"cannot be changed: No space left") as caught:
            store.write("lab", TWO)
    contents = everything_in(caught.value)
    assert ONE.key.reveal() not in contents
    assert TWO.key.reveal() not in contents
    # The file is what fails, so it is no way out.
    assert "=file" not in str(caught.value)
    assert store.read("lab") == ONE
    assert sorted(os.listdir(os.path.dirname(stored))) == ["credentials.json", "credentials.json.lock"]


def test_a_writer_that_does_not_end_is_waited_for_so_long(store, stored):
    """After the bounded wait an error says who is in the way; the file stays."""
    with Lock(f"{stored}.lock") as lock:
        assert lock.try_acquire()
        with pytest.raises(CredentialStoreError, match=r"for more than 0\.1 s"):
            store.write("lab", TWO)
    assert store.read("lab") == ONE
    store.write("lab", TWO)
    assert store.read("lab") == TWO


def test_reading_waits_for_nobody(store, stored):
    """A whole file is read while another process holds the lock."""
    with Lock(f"{stored}.lock") as lock:
        assert lock.try_acquire()
        assert store.read("lab") == ONE


def test_a_change_that_another_process_undid_is_made_again(store, stored, monkeypatch):
    """Where locks do nothing, the file is read again after the write, and both changes end up in it."""
    intruder = iter([{"lab": ONE.to_fields(), "third": TWO.to_fields()}])
    replace = FileStore._replace

    def replace_and_lose(self, keys):
        replace(self, keys)
        theirs = next(intruder, None)
        if theirs is not None:
            replace(self, theirs)

    monkeypatch.setattr(FileStore, "_replace", replace_and_lose)
    store.write("lab", TWO)
    with open(stored, encoding="ascii") as file:
        assert json.load(file) == {"lab": TWO.to_fields(), "third": TWO.to_fields()}


def test_a_change_that_is_undone_for_ever_ends_in_an_error(store, stored, monkeypatch, everything_in):
    """The attempts are bounded, and the error carries no key in any of its frames."""
    replace = FileStore._replace
    monkeypatch.setattr(FileStore, "_replace", lambda self, keys: replace(self, {"other": TWO.to_fields()}))
    with pytest.raises(CredentialStoreError, match="keep changing") as caught:
        store.write("lab", ONE)
    assert ONE.key.reveal() not in everything_in(caught.value)
    assert TWO.key.reveal() not in everything_in(caught.value)


def test_a_file_mended_by_another_process_is_not_set_aside(store, stored, monkeypatch):
    """Between the first look and the lock somebody wrote a whole file: that one counts."""
    looks = iter(["damaged"])
    load = FileStore._load
    monkeypatch.setattr(FileStore, "_load", lambda self: None if next(looks, "") else load(self))
    assert store.read("lab") == ONE
    assert ".damaged" not in "".join(os.listdir(os.path.dirname(stored)))


def test_windows_closes_no_folder(store, path, monkeypatch):
    """Where modes mean nothing, none is set."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755)
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        fs.make_private_folder(folder)
    assert mode(folder) == 0o755


WRITER = """
import sys
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.storage import file_backend
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import KeyEntry

file_backend._WAIT_SECONDS = 30.0
path, number = sys.argv[1:]
for turn in range(5):
    entry = KeyEntry(ApiKey.parse("nbci_test_" + number * 48), "https://a.example:443")
    FileStore(path).write(f"p{number}-{turn}", entry)
"""


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.qualification)])
def test_many_processes_lose_no_key(path, python, fresh_environment, count):
    """Processes that write five profiles each at the same time leave all of them."""
    writers = [
        subprocess.Popen([python, "-c", WRITER, path, str(number)], env=fresh_environment())
        for number in range(count)
    ]
    assert [writer.wait(30) for writer in writers] == [0] * count
    store = FileStore(path)
    for number in range(count):
        for turn in range(5):
            assert store.read(f"p{number}-{turn}").key.reveal() == "nbci_test_" + str(number) * 48


PROFILES = st.text("abcXYZ019._-", min_size=1, max_size=8)
NUMBERS = st.integers(0, 16**48 - 1)
KEYS = st.builds(
    lambda kind, number: ApiKey(f"nbci_{kind}_{number:048x}"), st.sampled_from(["live", "test"]), NUMBERS
)
ENATTEMPTS = st.builds(KeyEntry, KEYS, st.just(DEFAULT_ORIGIN))
STEPS = st.lists(st.tuples(PROFILES, st.none() | ENATTEMPTS), max_size=12)


@examples(30)
@given(steps=STEPS)
def test_the_file_is_a_map(tmp_path_factory, steps):
    """Any sequence of writes and deletes leaves what a plain map would hold."""
    store = FileStore(str(tmp_path_factory.mktemp("map") / "config" / "credentials.json"))
    plain = {}
    for profile, key in steps:
        if key is None:
            assert store.delete(profile) is (plain.pop(profile, None) is not None)
        else:
            store.write(profile, key)
            plain[profile] = key
    assert {profile: store.read(profile) for profile, _ in steps} == {
        profile: plain.get(profile) for profile, _ in steps
    }
