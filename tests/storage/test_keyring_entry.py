"""Which backends count as a keyring, and what happens to an entry in several of them."""

import getpass
import sys

import pytest
from keyring.backends.chainer import ChainerBackend
from keyring.errors import KeyringError

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import keyring_backend
from nimbus_sdk.storage.credentials import choose_store, save_key
from nimbus_sdk.storage.key_kind import KeyEntry
from nimbus_sdk.storage.key_metadata import read_removal
from nimbus_sdk.storage.keyring_backend import KeyringStore
from nimbus_sdk.storage.keyring_entry import GivenUpError, KeyringEntry

ONE = ApiKey.parse("nbci_live_" + "0123456789ab" * 4)


@pytest.fixture
def use_chain(use_backend, monkeypatch):
    """Makes a chain of fake backends the keyring of this process; gives the backends."""
    import keyring.core

    class Chain(ChainerBackend):
        priority = 10
        backends = []

    def use(*names):
        Chain.backends = [use_backend(name) for name in names]
        monkeypatch.setattr(keyring.core, "_keyring_backend", Chain())
        return Chain.backends

    return use


def test_a_backend_that_does_not_protect_a_key_is_no_keyring(settings, use_backend):
    """One of a priority below 1 is not written to, and the reason names it."""
    backend = use_backend("PlainText")
    reason = save_key(settings, ONE, DEFAULT_ORIGIN).reason
    assert reason.startswith("file, because the keyring was not found on this machine: backends.PlainText ")
    assert backend.asked == []


def test_members_of_a_chain_that_do_not_protect_a_key_are_passed_over(settings, use_chain):
    """The key goes to the first member that does; without any, there is no keyring."""
    weak, strong = use_chain("PlainText", "Memory")
    assert save_key(settings, ONE, DEFAULT_ORIGIN).store.name == "keyring"
    assert (len(weak.asked), len(strong.items)) == (0, 1)
    use_chain("PlainText", "PlainText")
    assert choose_store(settings).reason == "file, because the keyring was not found on this machine"


def test_a_key_is_deleted_from_every_member_of_a_chain(paths, use_chain):
    """The second member, too, whether the first one has a key or not."""
    first, second = use_chain("Memory", "Memory")
    store = KeyringStore(paths)
    user = paths.keyring_user
    for members in ((first, second), (second,)):
        for member in members:
            member.items["nimbus-sdk", user] = ONE.reveal()
        assert store.read(paths.profile).key == ONE
        assert store.delete(paths.profile) is True
        assert first.items == second.items == {}
    assert store.delete(paths.profile) is False


def test_a_member_that_cannot_write_leaves_it_to_the_next(paths, use_chain, monkeypatch):
    """As the keyring package itself does it."""
    first, second = use_chain("Memory", "Memory")

    def refuse(*_):
        raise NotImplementedError

    monkeypatch.setattr(first, "set_password", refuse)
    KeyringStore(paths).write(paths.profile, KeyEntry(ONE, DEFAULT_ORIGIN))
    assert (len(first.items), len(second.items)) == (0, 1)


def test_a_backend_that_asks_in_the_terminal_is_used_where_a_person_is(paths, use_backend, monkeypatch):
    """Elsewhere it is not asked at all, so it reads nothing of the program's input."""
    backend = use_backend("Memory")
    monkeypatch.setattr(sys.modules[type(backend).__module__], "ask", getpass.getpass, raising=False)
    with pytest.raises(CredentialStoreError, match="asks for its password in the terminal") as caught:
        KeyringStore(paths).read("lab")
    assert "NIMBUS_API_KEY" in caught.value.hint
    assert backend.asked == []
    monkeypatch.setattr("nimbus_sdk.storage.keyring_entry.is_interactive", lambda: True)
    assert KeyringStore(paths, patience=2.0).read("lab") is None


def test_a_removal_that_was_given_up_removes_nothing(use_backend):
    """An answer that comes too late may be that of another key, which was stored meanwhile."""
    backend = use_backend("Memory")
    backend.items["nimbus-sdk", "lab"] = ONE.reveal()
    entry = KeyringEntry([backend], "lab", lambda: True)
    with pytest.raises(GivenUpError):
        entry.remove()
    with pytest.raises(GivenUpError):
        entry.write("another")
    assert list(backend.items.values()) == [ONE.reveal()]


def fail(*_):
    """Fail, as a backend whose service ends."""
    raise KeyringError("a fault")


@pytest.mark.parametrize("answer", [lambda text: text and "something else", lambda text: text and fail()])
def test_a_text_that_cannot_be_read_back_does_not_stay(settings, use_backend, monkeypatch, answer):
    """What was written is removed again, and the key is in the file alone."""
    backend = use_backend("Memory")
    get = backend.get_password
    monkeypatch.setattr(keyring_backend, "_RETRY_AFTER", ())
    monkeypatch.setattr(backend, "get_password", lambda *names: answer(get(*names)))
    assert save_key(settings, ONE, DEFAULT_ORIGIN).store.name == "file"
    assert backend.items == {}
    assert read_removal(settings.paths) is None
