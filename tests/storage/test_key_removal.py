"""Keys that a keyring could not be asked for: recorded, never used again, and removed later."""

import json
import os
from dataclasses import replace

import pytest

from nimbus_sdk.account.session_store import storing_key
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN
from nimbus_sdk.errors import CoreInstallError, CredentialStoreError
from nimbus_sdk.storage import fs, keyring_backend
from nimbus_sdk.storage.credentials import read_stored_key, save_key
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_lookup import FoundKey
from nimbus_sdk.storage.key_metadata import KeyRemoval, read_metadata, read_removal
from nimbus_sdk.storage.key_removal import delete_key, pending_removals, postpone_removal, remove_key
from tests.support.sessions import made

ONE = ApiKey.parse("nbci_live_" + "0123456789ab" * 4)
TWO = ApiKey.parse("nbci_test_" + "ba9876543210" * 4)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """A keyring that fails at once is asked once."""
    monkeypatch.setattr(keyring_backend, "_RETRY_AFTER", ())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"masked": 7}', b"[" * 100_000])
def test_a_damaged_record_counts(settings, paths, use_backend, content):
    """What cannot be understood does not make a removed key valid again."""
    items = use_backend("Memory").items
    save_key(settings, ONE, DEFAULT_ORIGIN)
    fs.write_private(paths.key_removal, content)
    assert read_removal(paths) == KeyRemoval()
    assert read_stored_key(settings).key is None
    assert items == {}


def test_a_record_that_cannot_be_read_is_an_error(settings, paths):
    """Nothing is used until it is known whether it was removed."""
    os.makedirs(paths.key_removal)
    with pytest.raises(CredentialStoreError, match=r"key-removal\.json, cannot be read"):
        read_removal(paths)


def test_only_the_key_that_was_meant_is_removed(settings, paths, use_backend):
    """A key that has replaced it stays."""
    use_backend("Memory")
    save_key(settings, TWO, DEFAULT_ORIGIN)
    postpone_removal(paths, "stayed locked", masked=ONE.masked, fingerprint=ONE.fingerprint)
    assert read_stored_key(settings).key == TWO
    assert pending_removals(paths) == {}
    postpone_removal(paths, "stayed locked", masked=TWO.masked, fingerprint=TWO.fingerprint)
    assert read_stored_key(settings).key is None


def test_a_later_removal_includes_an_earlier_one(paths):
    """A removal of whichever key is there is not narrowed to one key."""
    postpone_removal(paths, "stayed locked", masked=ONE.masked, fingerprint=ONE.fingerprint)
    assert postpone_removal(paths, "did not answer").fingerprint == ""
    removal = postpone_removal(paths, "failed", masked=TWO.masked, fingerprint=TWO.fingerprint)
    assert (removal.fingerprint, removal.masked) == ("", ONE.masked)
    assert str(removal) == f"{ONE.masked} in the keyring, which failed"


def test_a_keyring_in_which_no_key_was_stored_is_only_named(settings, use_backend):
    """Signing out where a keyring never worked is no failure, and says that it was not asked."""
    use_backend("Locked")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    removal = remove_key(settings)
    assert (removal.removed, removal.refusal) == (True, None)
    assert removal.not_asked == "The keyring stayed locked."
    assert remove_key(settings).refusal is None


@pytest.mark.parametrize("store", ["file", "none"])
def test_a_removal_asks_the_keyring_that_has_the_key_whatever_the_setting_is(settings, use_backend, store):
    """The setting says where keys go, not where they are."""
    items = use_backend("Memory").items
    save_key(settings, ONE, DEFAULT_ORIGIN)
    assert delete_key(replace(settings, credential_store=store)) is True
    assert items == {}


def test_a_removal_that_cannot_be_recorded_names_the_entry(settings, paths, use_backend, monkeypatch):
    """The error says what to remove by hand, and the metadata of the key stay."""
    use_backend("Memory")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    use_backend("Locked")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nimbus_sdk.storage.key_metadata.write_record", refuse)
    with pytest.raises(CredentialStoreError, match="cannot be noted") as caught:
        delete_key(settings)
    assert paths.keyring_user in caught.value.hint
    assert read_metadata(paths).masked == ONE.masked


def test_an_install_that_fails_leaves_the_key_of_a_locked_keyring_in_use(settings, paths, use_backend):
    """The new key is in no store any more, and the older one is not to be removed."""
    backend = use_backend("Memory")
    save_key(settings, ONE, DEFAULT_ORIGIN)
    use_backend("Locked")
    found = FoundKey(TWO, "argument", "the argument")

    def install():
        with storing_key(settings, found, made(key_fingerprint=TWO.fingerprint)):
            assert FileStore(paths.credentials).read(paths.profile).key == TWO
            raise CoreInstallError("The disk is full.")

    with pytest.raises(CoreInstallError):
        install()
    assert FileStore(paths.credentials).read(paths.profile) is None
    assert read_removal(paths) is None
    use_backend("Memory").items = backend.items
    assert read_stored_key(settings).key == ONE
    assert json.loads(next(iter(backend.items.values())))["key"] == ONE.reveal()


def test_what_stays_of_an_install_that_fails_is_said(settings, paths, use_backend, monkeypatch, caplog):
    """If the key cannot be taken back, the log names it; if none was stored, nothing of the kind is said."""
    use_backend("Nobody")
    found = FoundKey(TWO, "argument", "the argument")
    session = made(key_fingerprint=TWO.fingerprint)

    def refuse(*_):
        raise CredentialStoreError("The disk refused.")

    def install():
        with storing_key(settings, found, session):
            monkeypatch.setattr(FileStore, "delete", refuse)
            raise CoreInstallError("The disk is full.")

    with pytest.raises(CoreInstallError):
        install()
    assert f"{TWO.masked} stays stored, although the rest failed: The disk refused." in caplog.text
    caplog.clear()
    monkeypatch.setattr(FileStore, "write", refuse)
    monkeypatch.setattr(FileStore, "read", lambda *_: None)
    with pytest.raises(CredentialStoreError, match="The disk refused"):
        install()
    assert "stored" not in caplog.text
