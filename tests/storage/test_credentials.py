"""Which store is used, what the metadata of a stored key says, and to which API the key may go."""

import json
import os
import re
from dataclasses import dataclass, replace

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.credentials import choose_store, read_stored_key, save_key
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import KeyEntry, KeyKind
from nimbus_sdk.storage.key_metadata import KeyMetadata, read_metadata, read_removal
from nimbus_sdk.storage.key_removal import delete_key

ONE = ApiKey.parse("nbci_live_" + "0123456789ab" * 4)
TWO = ApiKey.parse("nbci_test_" + "ba9876543210" * 4)
SANDBOX = "http://127.0.0.1:8000"
SANDBOX_ORIGIN = SANDBOX


def stored_in(backend, paths):
    """The fields of the entry that a backend has for the profile."""
    return json.loads(backend.items["nimbus-sdk", paths.keyring_user])


def entry(key, origin=DEFAULT_ORIGIN):
    """A key as a store has it."""
    return KeyEntry(key, origin)


@pytest.fixture
def file(paths):
    """The file store, which is used instead of a keyring."""
    return FileStore(paths.credentials)


@pytest.fixture
def no_folder(tmp_path):
    """A path below which nothing can be made."""
    (tmp_path / "file").write_text("no folder")
    return str(tmp_path / "file" / "below")


def test_a_working_keyring_is_chosen(settings, paths, use_backend):
    """Where nothing is set, the keyring that answers counts; the question leaves nothing behind."""
    use_backend("Memory")
    choice = choose_store(settings)
    assert (choice.store.name, choice.reason) == ("keyring", "keyring")
    assert not os.path.exists(paths.config)


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (None, "file, because the keyring was not found on this machine"),
        ("Locked", "file, because the keyring stayed locked"),
        ("Failing", "file, because the keyring failed (KeyringError)"),
        ("Garbage", "file, because the keyring's entry is not a Nimbus API key"),
    ],
)
def test_without_a_working_keyring_the_file_is_used_and_the_reason_reported(
    settings, paths, use_backend, backend, reason
):
    """Nothing falls back silently."""
    if backend:
        use_backend(backend)
    choice = choose_store(settings)
    assert choice.store.name == "file"
    assert choice.reason.startswith(reason)


@pytest.mark.parametrize("name", ["file", "none"])
def test_the_setting_decides(settings, paths, use_backend, name):
    """A store that was named counts, however well the keyring works, and the keyring is left alone."""
    backend = use_backend("Memory")
    choice = choose_store(replace(settings, credential_store=name))
    assert choice.store.name == name
    assert choice.reason == f"{name}, as NIMBUS_SDK_CREDENTIAL_STORE says"
    assert backend.asked == []


@pytest.mark.parametrize(
    "act",
    [
        choose_store,
        read_stored_key,
        delete_key,
        lambda settings: save_key(settings, ONE, DEFAULT_ORIGIN),
    ],
    ids=["choose", "read", "forget", "save"],
)
def test_a_keyring_that_was_asked_for_must_work(settings, paths, use_backend, act):
    """There is no way round a keyring that was named: an error, and nothing in the file."""
    use_backend("Locked")
    with pytest.raises(CredentialStoreError, match="stayed locked"):
        act(replace(settings, credential_store="keyring"))
    assert not os.path.exists(paths.credentials)


def test_a_saved_key_has_metadata_without_the_key(settings, paths, use_backend):
    """The metadata says which key, where and since when; the key, with its API, is in the keyring alone."""
    backend = use_backend("Memory")
    choice = save_key(settings, ONE, DEFAULT_ORIGIN)
    assert (choice.store.name, choice.reason) == ("keyring", "keyring")
    assert stored_in(backend, paths) == {"key": ONE.reveal(), "origin": "https://api.nimbusbci.com:443"}
    metadata = read_metadata(paths)
    assert metadata == KeyMetadata(
        fingerprint=ONE.fingerprint, masked=ONE.masked, store="keyring", saved_at=metadata.saved_at
    )
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata.saved_at)
    assert ONE.reveal().encode() not in fs.read(paths.key_metadata)
    assert os.stat(paths.key_metadata).st_mode & 0o777 == 0o600
    assert not os.path.exists(paths.credentials)


def test_saving_asks_the_keyring_once(settings, paths, use_backend):
    """One look, which finds out whether it answers, one write and its check."""
    backend = use_backend("Memory")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    assert [what for what, _ in backend.asked] == ["get", "set", "get"]


def test_a_key_that_moves_to_the_keyring_leaves_the_file(settings, paths, use_backend, file):
    """Once the keyring has the key, no older copy stays behind in plain sight; other profiles do."""
    file.write(paths.profile, entry(TWO))
    file.write("other", entry(TWO))
    use_backend("Memory")
    assert save_key(settings, ONE, DEFAULT_ORIGIN).reason == "keyring"
    assert file.read(paths.profile) is None
    assert file.read("other") == entry(TWO)


def test_a_copy_that_cannot_be_removed_is_reported(settings, paths, use_backend):
    """The key is saved, and the reason says that an older one may still be in the file."""
    os.makedirs(paths.credentials)
    use_backend("Memory")
    choice = save_key(settings, ONE, DEFAULT_ORIGIN)
    assert choice.store.name == "keyring"
    assert "an older key may still be in the credentials file" in choice.reason


def test_metadata_that_cannot_be_written_is_reported(settings, moved, use_backend, no_folder):
    """The key is saved where it belongs, with its API; missing metadata is no failure."""
    use_backend("Memory")
    settings = moved(settings, state=no_folder)
    choice = save_key(settings, ONE, SANDBOX_ORIGIN)
    assert choice.store.name == "keyring"
    assert "the metadata beside it could not be written" in choice.reason
    stored = read_stored_key(settings)
    assert (stored.key, stored.origin) == (ONE, SANDBOX_ORIGIN)


def test_none_keeps_the_key_in_its_object_alone(settings, paths):
    """Nothing reaches the disk; who wants the key again keeps the store."""
    none = replace(settings, credential_store="none")
    choice = save_key(none, ONE, DEFAULT_ORIGIN)
    assert choice.store.read(paths.profile).key == ONE
    assert read_stored_key(none).key is None
    assert delete_key(none) is False
    assert not os.path.exists(settings.home)


@pytest.mark.parametrize("name", [None, "keyring", "file"])
def test_what_was_saved_is_read_from_where_it_is(settings, paths, use_backend, name):
    """Key, store and place come back, for each way to choose the store."""
    use_backend("Memory")
    settings = replace(settings, credential_store=name)
    save_key(settings, ONE, DEFAULT_ORIGIN)
    stored = read_stored_key(settings)
    assert (stored.key, stored.store, stored.problem) == (ONE, name or "keyring", "")
    assert stored.location in (f"keyring, service nimbus-sdk, user {paths.keyring_user}", paths.credentials)


def test_without_a_stored_key_every_place_that_was_searched_is_named(settings, paths, use_backend):
    """Without a key the answer names every place that was looked at."""
    use_backend("Memory")
    stored = read_stored_key(settings)
    assert stored.key is None
    assert stored.location == f"keyring, service nimbus-sdk, user {paths.keyring_user} or {paths.credentials}"


def test_a_key_in_the_file_is_read_without_the_keyring(settings, paths, use_backend):
    """The metadata says where the key is; a keyring that works by now is not opened."""
    save_key(settings, ONE, DEFAULT_ORIGIN)
    backend = use_backend("Memory")
    backend.items["nimbus-sdk", paths.keyring_user] = TWO.reveal()
    stored = read_stored_key(settings)
    assert (stored.key, stored.store) == (ONE, "file")
    assert backend.asked == []


def test_a_key_that_is_not_where_the_metadata_says_is_searched_elsewhere(settings, paths, use_backend, file):
    """A file that was removed by hand does not hide the key in the keyring."""
    save_key(settings, ONE, DEFAULT_ORIGIN)
    file.delete(paths.profile)
    use_backend("Memory").items["nimbus-sdk", paths.keyring_user] = TWO.reveal()
    assert read_stored_key(settings).key == TWO


def test_a_keyring_that_should_have_the_key_must_answer(settings, paths, use_backend, file):
    """The metadata says keyring: when that is locked, no other account's key is used instead."""
    use_backend("Memory")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    file.write(paths.profile, entry(TWO))
    use_backend("Locked")
    with pytest.raises(CredentialStoreError, match="stayed locked"):
        read_stored_key(settings)


def test_a_keyring_that_nothing_points_to_is_only_named(settings, paths, use_backend, file):
    """Without metadata the file may have the key; the keyring's problem is reported with it."""
    file.write(paths.profile, entry(ONE))
    use_backend("Locked")
    stored = read_stored_key(settings)
    assert (stored.key, stored.store, stored.problem) == (ONE, "file", "The keyring stayed locked.")


def test_a_damaged_file_is_never_passed_over(settings, paths, use_backend):
    """It is set aside and reported, even if nothing says that the key is in it."""
    fs.write_private(paths.credentials, b"{")
    use_backend("Memory")
    with pytest.raises(CredentialStoreError, match="set aside"):
        read_stored_key(settings)


@pytest.mark.parametrize("name", [None, "file", "keyring"])
def test_a_key_goes_to_the_api_it_was_stored_with_alone(settings, paths, use_backend, name):
    """A key saved for one API is withheld from every other, the default one too."""
    use_backend("Memory")
    settings = replace(settings, credential_store=name)
    save_key(settings, ONE, SANDBOX)
    stored = read_stored_key(settings)
    assert stored.withheld_from(SANDBOX + "/v1") is None
    assert stored.withheld_from("https://api.nimbusbci.com") == (
        "it is for http://127.0.0.1:8000, not for https://api.nimbusbci.com:443"
    )


def test_a_key_that_was_stored_by_hand_goes_to_the_default_api(settings, paths):
    """A key alone, without an origin, was not validated anywhere else."""
    fs.write_private(paths.credentials, json.dumps({paths.profile: ONE.reveal()}).encode())
    stored = read_stored_key(settings)
    assert stored.withheld_from("https://API.nimbusbci.com/") is None
    assert stored.withheld_from("https://api.nimbusbci.com:8443") is not None
    assert stored.withheld_from("https://evil.example") is not None


def test_planted_metadata_opens_nothing(tmp_path, settings, paths, use_backend):
    """A repository that names its own NIMBUS_SDK_HOME does not get another home's key of the keyring."""
    use_backend("Memory")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    planted = Settings(home=str(tmp_path / "cloned"), api_url="https://evil.example")
    lure = {**GOOD, "fingerprint": ONE.fingerprint, "store": "keyring", "origin": "https://evil.example:443"}
    fs.write_private(planted.paths.key_metadata, json.dumps(lure).encode())
    assert read_stored_key(planted).key is None
    assert read_stored_key(settings).key == ONE


class Killed(BaseException):
    """Stands for the end of the process."""


def died_while_saving(monkeypatch, settings, paths, key, origin, *, when):
    """Save a key, and be killed before or after it is in the file."""
    write = FileStore.write

    def dying(store, profile, entry):
        if when == "after":
            write(store, profile, entry)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(FileStore, "write", dying)
        with pytest.raises(Killed):
            save_key(settings, key, origin)


@pytest.mark.parametrize(
    ("when", "key", "origin"), [("before", ONE, DEFAULT_ORIGIN), ("after", TWO, SANDBOX)]
)
def test_a_killed_save_leaves_a_key_with_its_own_origin(settings, paths, monkeypatch, when, key, origin):
    """The old key or the new one, each for the API that accepted it."""
    save_key(settings, ONE, DEFAULT_ORIGIN)
    died_while_saving(monkeypatch, settings, paths, TWO, SANDBOX, when=when)
    stored = read_stored_key(settings)
    assert (stored.key, stored.origin) == (key, origin)
    assert read_metadata(paths).fingerprint == ONE.fingerprint
    save_key(settings, TWO, SANDBOX)
    assert read_metadata(paths).fingerprint == TWO.fingerprint
    assert read_stored_key(settings).origin == SANDBOX


@pytest.mark.parametrize("fingerprint", [None, TWO.fingerprint])
def test_the_first_key_of_a_killed_save_is_deleted_whole(settings, paths, monkeypatch, fingerprint):
    """Its file of metadata was there before the key, so that nobody takes the place for empty."""
    died_while_saving(monkeypatch, settings, paths, TWO, SANDBOX, when="after")
    assert read_metadata(paths) is None
    assert read_stored_key(settings).origin == SANDBOX
    assert delete_key(settings, ONE.fingerprint) is False
    assert os.path.exists(paths.key_metadata)
    assert delete_key(settings, fingerprint) is True
    assert not os.path.exists(paths.key_metadata)


def test_deleting_a_replaced_key_leaves_the_metadata_of_the_new_one(settings, paths, monkeypatch):
    """The metadata names a key that is not stored any more; another one is."""
    save_key(settings, ONE, DEFAULT_ORIGIN)
    died_while_saving(monkeypatch, settings, paths, TWO, SANDBOX, when="after")
    assert delete_key(settings, ONE.fingerprint) is False
    assert os.path.exists(paths.key_metadata)
    assert read_stored_key(settings).origin == SANDBOX


@pytest.mark.parametrize(("when", "origin"), [("before", DEFAULT_ORIGIN), ("after", SANDBOX)])
def test_a_key_changes_its_api_in_one_step(settings, paths, monkeypatch, when, origin):
    """The same key, accepted elsewhere: until the entry is replaced it goes where it went."""
    save_key(settings, ONE, DEFAULT_ORIGIN)
    died_while_saving(monkeypatch, settings, paths, ONE, SANDBOX, when=when)
    assert read_stored_key(settings).origin == origin
    save_key(settings, ONE, SANDBOX)
    assert read_stored_key(settings).origin == SANDBOX


def test_a_damaged_file_names_the_command_of_its_keys(settings, paths):
    """The advice fits the service whose key was looked for."""
    fs.write_private(paths.credentials, b"{")
    kind = KeyKind(lambda text: None, "", "Other key", "nimbus-sdk other save-key")
    with pytest.raises(CredentialStoreError, match="nimbus-sdk other save-key"):
        read_stored_key(settings, kind)


def test_deleting_removes_key_and_metadata(settings, paths, use_backend, file):
    """Nothing is left, neither in the keyring nor in the file; other profiles stay."""
    backend = use_backend("Memory")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    file.write(paths.profile, entry(ONE))
    file.write("other", entry(TWO))
    assert delete_key(settings) is True
    assert backend.items == {}
    assert file.read(paths.profile) is None
    assert file.read("other") == entry(TWO)
    assert read_metadata(paths) is None
    assert delete_key(settings) is False


def test_deleting_one_key_leaves_another(settings, paths, use_backend):
    """With a fingerprint only the key that has it goes."""
    backend = use_backend("Memory")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    assert delete_key(settings, TWO.fingerprint) is False
    assert stored_in(backend, paths)["key"] == ONE.reveal()
    assert read_metadata(paths).fingerprint == ONE.fingerprint
    assert delete_key(settings, ONE.fingerprint) is True
    assert backend.items == {}
    assert read_metadata(paths) is None


def test_deleting_a_key_that_cannot_be_reached_is_an_error(settings, paths, use_backend):
    """A logout that leaves the key is no success; the key is not used again, and goes as soon as it can."""
    items = use_backend("Memory").items
    save_key(settings, ONE, DEFAULT_ORIGIN)
    use_backend("Locked")
    with pytest.raises(CredentialStoreError, match="stayed locked"):
        delete_key(settings)
    assert read_metadata(paths) is None
    assert read_removal(paths).masked == ONE.masked
    use_backend("Memory").items = items
    assert read_stored_key(settings).key is None
    assert items == {}
    assert read_removal(paths) is None


def test_a_keyring_that_never_had_the_key_does_not_stop_the_deleting(settings, paths, use_backend, file):
    """On a machine whose keyring never works, a key in the file can be deleted."""
    use_backend("Locked")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    assert delete_key(settings) is True
    assert file.read(paths.profile) is None


def test_metadata_that_cannot_be_removed_is_an_error(settings, paths, monkeypatch):
    """The error names the file that is left."""
    save_key(settings, ONE, DEFAULT_ORIGIN)
    unlink = os.unlink

    def refuse(path, **more):
        if path == paths.key_metadata:
            raise PermissionError(13, "Permission denied")
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(CredentialStoreError, match=r"key\.json, cannot be removed: Permission denied"):
        delete_key(settings)


GOOD = {"fingerprint": "f" * 12, "masked": "m", "store": "file", "saved_at": "now"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        json.dumps({**GOOD, "saved_at": 7}).encode(),
        json.dumps({**GOOD, "masked": "\x1b[2J"}).encode(),
        json.dumps({name: text for name, text in GOOD.items() if name != "store"}).encode(),
    ],
    ids=range(9),
)
def test_metadata_that_cannot_be_understood_is_none(settings, paths, file, content):
    """Damaged metadata changes nothing about where the key may go."""
    fs.write_private(paths.key_metadata, content)
    file.write(paths.profile, entry(ONE, SANDBOX))
    assert read_metadata(paths) is None
    assert read_stored_key(settings).origin == SANDBOX


def test_metadata_with_more_in_it_is_read(paths):
    """A later version may write more."""
    fs.write_private(paths.key_metadata, json.dumps({**GOOD, "later": 1}).encode())
    assert read_metadata(paths) == KeyMetadata(**GOOD)


def test_metadata_that_cannot_be_read_is_an_error(paths):
    """Something else in its place is reported."""
    os.makedirs(paths.key_metadata)
    with pytest.raises(CredentialStoreError, match=r"key\.json, cannot be read"):
        read_metadata(paths)


def test_no_error_shows_the_key(settings, moved, use_backend, no_folder, everything_in):
    """Neither the error nor any frame behind it holds a key that was being saved."""
    use_backend("Talkative")
    with pytest.raises(CredentialStoreError) as caught:
        save_key(moved(settings, config=no_folder), ONE, DEFAULT_ORIGIN)
    assert ONE.reveal() not in everything_in(caught.value)


@dataclass(frozen=True)
class ForeignKey:
    """Another service's key: text without a form."""

    text: str
    masked = "fore…"
    fingerprint = "0123456789ab"

    def reveal(self):
        """All of it."""
        return self.text


@pytest.mark.parametrize("origin", ["https://other.example:443", ""])
def test_another_services_key_is_stored_beside_the_profiles_own(settings, origin):
    """Each kind is read as its own; a key that was stored by hand goes where its kind says, or nowhere."""
    kind = KeyKind(lambda text: None if text is None else ForeignKey(text), origin)
    slot = settings.for_service("other")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    save_key(slot, ForeignKey("s3cret"), "https://noted.example:443")
    stored = read_stored_key(slot, kind)
    assert (stored.key, stored.origin) == (ForeignKey("s3cret"), "https://noted.example:443")
    by_hand = {**json.loads(fs.read(slot.paths.credentials)), slot.paths.profile: "s3cret"}
    fs.write_private(slot.paths.credentials, json.dumps(by_hand).encode())
    bare = read_stored_key(slot, kind)
    assert bare.origin == origin
    assert (bare.withheld_from("https://other.example/x") is None) is bool(origin)
    assert delete_key(slot, "another", kind) is False
    assert delete_key(slot, "0123456789ab", kind) is True
    assert read_stored_key(settings).key == ONE
