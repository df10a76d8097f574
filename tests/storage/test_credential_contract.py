"""What every credential store promises, on all three of them."""

import subprocess

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN
from nimbus_sdk.storage.credentials import MemoryStore
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import KeyEntry
from nimbus_sdk.storage.keyring_backend import KeyringStore

ONE = KeyEntry(ApiKey.parse("nbci_live_" + "0123456789ab" * 4), DEFAULT_ORIGIN)
TWO = KeyEntry(ApiKey.parse("nbci_test_" + "BA9876543210" * 4), DEFAULT_ORIGIN)


@pytest.fixture(params=["keyring", "file", "none"])
def store(request, paths, use_backend):
    """Each store in turn, empty."""
    if request.param == "keyring":
        use_backend("Memory")
        return KeyringStore(paths)
    return FileStore(paths.credentials) if request.param == "file" else MemoryStore()


def test_a_store_tells_its_name_and_where_a_key_is(store):
    """Messages name the store, and the place in it."""
    assert store.name in ("keyring", "file", "none")
    assert store.location("lab")


def test_a_profile_without_a_key_has_none(store):
    """Nothing stored reads as None, and deleting it says that nothing was there."""
    assert store.read("lab") is None
    assert store.delete("lab") is False


@pytest.mark.parametrize("key", [ONE, TWO], ids=["live", "upper case"])
def test_what_is_written_is_read(store, key):
    """A key comes back exactly as it was given, upper-case digits too."""
    store.write("lab", key)
    assert store.read("lab").key.reveal() == key.key.reveal()


def test_a_key_is_stored_with_its_origin(store):
    """One entry holds both, so no moment exists in which the key is there without its origin."""
    elsewhere = KeyEntry(ONE.key, "http://127.0.0.1:8000")
    store.write("lab", ONE)
    store.write("lab", elsewhere)
    assert store.read("lab") == elsewhere


def test_a_second_write_replaces_the_first(store):
    """One profile has one key: the last one."""
    store.write("lab", ONE)
    store.write("lab", TWO)
    assert store.read("lab") == TWO
    assert store.delete("lab") is True
    assert store.read("lab") is None


def test_profiles_do_not_touch_each_other(store):
    """Deleting one of many leaves the others as they are."""
    profiles = ["default", "lab", "lab.2", "a_b-c", "x" * 64]
    for number, profile in enumerate(profiles):
        store.write(profile, (ONE, TWO)[number % 2])
    assert store.delete("lab") is True
    assert [store.read(profile) for profile in profiles] == [ONE, None, ONE, TWO, ONE]


def test_no_store_shows_its_keys(store):
    """Neither the store nor what it gives prints a key."""
    store.write("lab", ONE)
    shown = f"{store!r} {store} {store.read('lab')!r} {vars(store)}"
    assert ONE.key.reveal() not in shown


CONTRACT = """
import sys
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage.key_kind import KeyEntry
from nimbus_sdk.storage.keyring_backend import KeyringStore

store = KeyringStore(Settings.load().paths)
assert "keyring" not in sys.modules
one, two = (KeyEntry(ApiKey.parse("nbci_live_" + digit * 48), "https://a.example:443") for digit in "ab")
assert store.read("lab") is None and store.delete("lab") is False
store.write("lab", one)
store.write("lab", two)
store.write("other", one)
assert store.read("lab") == two and store.read("other") == one
assert store.delete("lab") is True and store.read("lab") is None and store.read("other") == one
print("stored")
"""


def test_the_keyring_store_works_in_a_fresh_process(fresh_environment, python):
    """Chosen through PYTHON_KEYRING_BACKEND, and imported only when it is first asked."""
    done = subprocess.run(
        [python, "-c", CONTRACT],
        env=fresh_environment("backends.Memory"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("stored\n", "")
