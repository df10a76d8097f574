"""What becomes of keys in a real keyring that is locked, busy, frozen, killed, or shared by two homes."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage.credentials import (
    choose_store,
    read_stored_key,
    retry_keyring,
    save_key,
)
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_metadata import read_metadata, read_removal
from nimbus_sdk.storage.key_removal import delete_key, remove_key
from nimbus_sdk.storage.keyring_breaker import breaker_state
from nimbus_sdk.storage.keyring_entry import KeyringEntry
from tests.conftest import Fresh
from tests.qualification.keyrings.daemon import Daemon

# The keyring package does not close its connection to a keyring that is locked or gone.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ONE = ApiKey.parse("nbci_live_" + "0123456789ab" * 4)
TWO = ApiKey.parse("nbci_test_" + "ba9876543210" * 4)


def first_by_default(*ways: object) -> list[object]:
    """The ways in which a keyring cannot be asked: the first in every run, all in the long one."""
    first, *others = ways
    return [first, *(pytest.param(way, marks=pytest.mark.qualification) for way in others)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a home of the test's own."""
    return Settings(home=str(tmp_path / "home"))


def save(settings: Settings, key: ApiKey) -> str:
    """Save a key, and return the reason for its store."""
    return save_key(settings, key, DEFAULT_ORIGIN).reason


def keys_in(daemon: Daemon) -> list[str]:
    """The keys that the keyring has, of all users."""
    secrets = [secret for found in daemon.secrets().values() for secret in found]
    return [str(json.loads(secret)["key"]) if secret.startswith("{") else secret for secret in secrets]


def refuse(daemon: Daemon, settings: Settings, how: str) -> None:
    """Make the keyring one that cannot be asked."""
    if how == "locked":
        daemon.lock()
    elif how == "killed":
        daemon.kill()
    else:
        daemon.freeze()
        if how == "skipped":
            with pytest.raises(CredentialStoreError, match="did not answer"):
                read_stored_key(settings)


def recover(daemon: Daemon, settings: Settings, how: str) -> None:
    """Make the keyring one that can be asked again."""
    if how == "locked":
        daemon.unlock()
    elif how == "killed":
        daemon.start()
    else:
        daemon.thaw()


@pytest.mark.parametrize("how", first_by_default("locked", "frozen", "skipped", "killed"))
def test_a_key_that_could_not_be_removed_is_reported_and_removed_later(
    daemon: Daemon, settings: Settings, how: str
) -> None:
    """A key in a keyring that cannot be asked is not reported as removed, is never used again, and goes."""
    assert save(settings, ONE) == "keyring"
    refuse(daemon, settings, how)
    assert "is removed as soon as that can be asked" in save(settings, TWO)
    with pytest.raises(CredentialStoreError, match="still be in the keyring, which") as caught:
        delete_key(settings)
    assert ONE.masked in caught.value.message
    assert read_metadata(settings.paths) is None
    recover(daemon, settings, how)
    daemon.join_threads()
    assert read_stored_key(settings).key is None
    assert keys_in(daemon) == []
    assert read_removal(settings.paths) is None
    assert remove_key(settings).refusal is None


@pytest.mark.parametrize("how", first_by_default("frozen", "locked"))
def test_a_removal_by_its_setting_is_finished_by_the_next_call_of_any_profile(
    daemon: Daemon, settings: Settings, how: str
) -> None:
    """The file that was chosen does not hide the keyring's key, and another profile finishes the removal."""
    save(settings, ONE)
    refuse(daemon, settings, how)
    in_file = replace(settings, credential_store="file")
    reason = save(in_file, TWO)
    assert f"{ONE.masked} in the keyring, which" in reason
    recover(daemon, settings, how)
    other = replace(settings, profile="other")
    save(other, TWO)
    assert keys_in(daemon) == [TWO.reveal()]
    assert read_stored_key(in_file).key == TWO


def test_one_key_is_in_one_place(daemon: Daemon, settings: Settings) -> None:
    """Each store that is chosen takes the key, and the other one has none any more."""
    in_file, in_keyring = (replace(settings, credential_store=name) for name in ("file", "keyring"))
    save(in_keyring, ONE)
    save(in_file, ONE)
    assert keys_in(daemon) == []
    save(in_keyring, ONE)
    assert FileStore[ApiKey](settings.paths.credentials).read("default") is None
    assert keys_in(daemon) == [ONE.reveal()]


def test_duplicates_are_removed_until_none_is_left(daemon: Daemon, settings: Settings) -> None:
    """Entries that another program has made under the same name do not survive a removal, nor win."""
    user = settings.paths.keyring_user
    save(settings, ONE)
    for number in range(3):
        daemon.store(user, f"{ONE.reveal()[:-1]}{number}", further=str(number))
    save(settings, TWO)
    assert read_stored_key(settings).key == TWO
    delete_key(settings)
    assert keys_in(daemon) == []


def test_two_homes_do_not_share_an_entry(daemon: Daemon, settings: Settings, tmp_path: Path) -> None:
    """Saving and deleting in one home leaves the key of the other; the default home has the plain name."""
    other, default = Settings(home=str(tmp_path / "other")), Settings()
    for owner, key in ((settings, ONE), (other, TWO), (default, ONE)):
        save(owner, key)
    assert len(daemon.secrets()) == 3
    delete_key(other)
    assert read_stored_key(settings).key == read_stored_key(default).key == ONE
    assert set(daemon.secrets()) == {"default", settings.paths.keyring_user}


def test_a_save_that_was_given_up_leaves_the_key_before_it(daemon: Daemon, settings: Settings) -> None:
    """A keyring that answers too late still has the older key, which is still the profile's."""
    settings = replace(settings, credential_store="keyring")
    save(settings, ONE)
    daemon.freeze()
    with pytest.raises(CredentialStoreError, match="did not answer"):
        save(settings, TWO)
    daemon.thaw()
    daemon.join_threads()
    assert read_stored_key(settings).key == ONE
    assert keys_in(daemon) == [ONE.reveal()]


def test_a_late_save_is_taken_back(daemon: Daemon, settings: Settings) -> None:
    """A keyring that answers after the caller has given up has no key that was deleted meanwhile."""
    save(settings, ONE)
    entered, goes_on = threading.Event(), threading.Event()
    set_text = KeyringEntry._set

    def slow(entry: KeyringEntry, text: str) -> None:
        entered.set()
        goes_on.wait(10)
        set_text(entry, text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(KeyringEntry, "_set", slow)
        daemon.is_silent = True
        save(settings, TWO)
        daemon.is_silent = False
        assert entered.is_set()
        assert delete_key(settings)
        goes_on.set()
        daemon.join_threads()
    assert keys_in(daemon) == []


@pytest.mark.parametrize("how", first_by_default("prompting", "frozen"))
def test_an_unlocked_keyring_is_asked_although_it_was_skipped(
    daemon: Daemon, settings: Settings, how: str
) -> None:
    """A keyring that did not answer is left alone while it is locked, and asked once it is unlocked."""
    save(settings, ONE)
    if how == "frozen":
        refuse(daemon, settings, "skipped")
        daemon.thaw()
        daemon.lock()
    else:
        daemon.lock()
        daemon.leave_prompts_open()
        with pytest.raises(CredentialStoreError, match="did not answer"):
            read_stored_key(settings)
    with pytest.raises(CredentialStoreError, match="skipped: did not answer"):
        read_stored_key(settings)
    daemon.unlock()
    assert read_stored_key(settings).key == ONE
    assert breaker_state(settings.paths) is None


@pytest.mark.parametrize("how", first_by_default("killed", "locked", "frozen"))
def test_a_key_in_the_file_moves_to_a_keyring_that_can_be_asked_again(
    daemon: Daemon, settings: Settings, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The save says where the key is, why, and how it gets to the keyring; that way works."""
    refuse(daemon, settings, how)
    save(settings, ONE)
    assert f"{ONE.masked} is stored in {settings.paths.credentials}, because the keyring " in caplog.text
    assert "`nimbus-sdk doctor --retry-keyring` moves it there" in caplog.text
    recover(daemon, settings, how)
    daemon.join_threads()
    assert retry_keyring(settings).reason == "keyring"
    assert keys_in(daemon) == [ONE.reveal()]
    assert FileStore[ApiKey](settings.paths.credentials).read("default") is None


WORDS = {
    "locked": "The keyring stayed locked.",
    "killed": "The keyring is not running: its service does not answer on the session bus.",
    "deleted": "The keyring has no default collection, and its prompt to make one was not answered.",
    "frozen": "The keyring did not answer in 2 s.",
}


@pytest.mark.parametrize("how", first_by_default("deleted", "killed", "locked", "frozen"))
def test_a_message_says_what_is_wrong_with_the_keyring(daemon: Daemon, settings: Settings, how: str) -> None:
    """Locked, gone, without a collection, and silent are four things."""
    choose_store(settings)
    if how == "deleted":
        daemon.delete_collection()
    else:
        refuse(daemon, settings, how)
    with pytest.raises(CredentialStoreError) as caught:
        save(replace(settings, credential_store="keyring"), ONE)
    assert caught.value.message == WORDS[how]
    if how == "frozen":
        daemon.thaw()


CROWD = """
import os
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings
from nimbus_sdk.storage.credentials import read_stored_key, save_key
import keyring.backends.SecretService

home, children = os.environ["NIMBUS_SDK_HOME"], []
for number in range({processes}):
    children.append(os.fork())
    if children[-1]:
        continue
    # Every third is one of another home, which has no lock in common with the others.
    settings = Settings(home=f"{{home}}-{{number % 3}}", profile=("shared", f"p{{number}}")[number % 2])
    stores = set()
    for turn in range({turns}):
        key = ApiKey.parse("nbci_live_" + f"{{number:02x}}{{turn:02x}}" * 12)
        stores.add(save_key(settings, key, DEFAULT_ORIGIN).store.name)
        stores.add(read_stored_key(settings).store)
    os._exit(stores != {{"keyring"}})
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.parametrize(
    ("processes", "turns"),
    [(3, 1), *(pytest.param(*more, marks=pytest.mark.qualification) for more in [(4, 2), (20, 5)])],
)
def test_many_processes_save_into_the_keyring(
    daemon: Daemon, fresh: Fresh, processes: int, turns: int
) -> None:
    """No key goes to the file because other processes are reading and writing."""
    environ = {"NIMBUS_SDK_CREDENTIAL_STORE": ""}
    done = fresh(CROWD.format(processes=processes, turns=turns), timeout=100, **environ)
    assert json.loads(done.stdout) == [0] * processes
