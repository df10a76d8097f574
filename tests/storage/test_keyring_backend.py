"""The keyring in this process: what its failures become, and how long they are remembered."""

import json
import os
import sys
import threading
import time
from dataclasses import replace
from traceback import format_exception
from types import SimpleNamespace

import pytest
from keyring.errors import KeyringError

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.storage import fs, keyring_backend, keyring_breaker, keyring_entry
from nimbus_sdk.storage.key_kind import KeyEntry
from nimbus_sdk.storage.keyring_backend import KeyringStore, default_patience
from nimbus_sdk.storage.keyring_breaker import LOOK_SECONDS, REST_SECONDS, breaker_state, read_breaker
from nimbus_sdk.storage.lock import Lock

KEY = KeyEntry(ApiKey.parse("nbci_test_" + "0123456789ab" * 4), DEFAULT_ORIGIN)
ALONE = 0.2
NOW = 1_700_000_000.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        """Unix time."""
        return self.now


@pytest.fixture
def lab(paths):
    """The user of the entry of the profile ``lab``."""
    return replace(paths, profile="lab").keyring_user


@pytest.fixture
def clock(monkeypatch):
    """Unix time for the memory of failures."""
    clock = Clock()
    for module in (keyring_backend, keyring_breaker):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=clock, monotonic=time.monotonic))
    return clock


@pytest.fixture
def store(paths, clock):
    """A keyring store that waits a fifth of a second."""
    return KeyringStore(paths, patience=ALONE)


@pytest.fixture
def stuck(use_backend, monkeypatch):
    """A keyring that hangs until the test is over; gives the list of what it was asked."""
    backend, over = use_backend("Memory"), threading.Event()
    monkeypatch.setattr(backend, "get_password", lambda *_: backend.asked.append("get") or over.wait(20))
    yield backend.asked
    over.set()


def test_only_key_and_origin_go_there_under_service_and_profile(store, use_backend, lab):
    """One item: service nimbus-sdk, user = profile. Windows takes no more than 1,280 characters of it."""
    backend = use_backend("Memory")
    store.write("lab", KEY)
    ((where, text),) = backend.items.items()
    assert where == ("nimbus-sdk", lab)
    assert json.loads(text) == {"key": KEY.key.reveal(), "origin": DEFAULT_ORIGIN}
    assert len(text) < 140


def test_the_keyring_is_asked_in_daemon_threads_alone(store, use_backend):
    """A thread that is no daemon would hold up the interpreter's exit."""
    backend = use_backend("Memory")
    store.write("lab", KEY)
    store.read("lab")
    store.delete("lab")
    assert len(backend.asked) == 6
    assert all(daemon for _, daemon in backend.asked)


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("Locked", "The keyring stayed locked."),
        ("Uninitialised", "The keyring could not be opened."),
        ("MacOverSsh", "The keyring stayed locked."),
        ("Nobody", "The keyring was not found on this machine."),
        ("Failing", "The keyring failed (KeyringError)."),
        ("Talkative", "The keyring failed (RuntimeError)."),
        ("Quitting", "The keyring failed (SystemExit)."),
    ],
)
@pytest.mark.parametrize(
    "operation",
    [
        lambda store: store.read("lab"),
        lambda store: store.write("lab", KEY),
        lambda store: store.delete("lab"),
    ],
    ids=["read", "write", "delete"],
)
def test_a_backend_that_fails_becomes_one_clear_error(store, use_backend, backend, said, operation, caplog):
    """Whatever a backend throws, people read what happened and what to do, and no secret."""
    use_backend(backend)
    with pytest.raises(CredentialStoreError) as caught:
        operation(store)
    assert caught.value.message == said
    assert "NIMBUS_SDK_CREDENTIAL_STORE=file" in caught.value.hint
    assert KEY.key.reveal() not in "".join(format_exception(caught.value)) + caplog.text


@pytest.mark.parametrize("backend", ["keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"])
def test_a_backend_that_keeps_nothing_is_no_keyring(store, monkeypatch, paths, backend):
    """Fail and null mean that there is no keyring: that is reported, and not recorded as a failure."""
    import keyring.core

    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    with pytest.raises(CredentialStoreError, match="not found on this machine"):
        store.write("lab", KEY)
    assert not os.path.exists(paths.keyring_breaker)


def test_a_chain_counts_by_its_links(store, use_backend, monkeypatch):
    """A chain of backends is a keyring where one of them keeps something."""
    import keyring.core
    from keyring.backends import chainer, null

    class Chain(chainer.ChainerBackend):
        backends = []

    working = use_backend("Memory")
    Chain.__module__ = chainer.__name__
    monkeypatch.setattr(keyring.core, "_keyring_backend", Chain())
    with pytest.raises(CredentialStoreError, match="not found"):
        store.read("lab")
    Chain.backends = [null.Keyring()]
    with pytest.raises(CredentialStoreError, match="not found"):
        store.read("lab")
    Chain.backends = [null.Keyring(), working]
    assert store.read("lab") is None


def test_a_machine_without_the_keyring_package_has_no_keyring(store, monkeypatch):
    """A stripped environment is reported as one without a keyring."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(CredentialStoreError, match="not found"):
        store.read("lab")


@pytest.mark.parametrize(
    "content",
    ["Bearer " + KEY.key.reveal(), "", "hunter2-hunter2", b"\xff", 7],
    ids=["bearer", "empty", "password", "bytes", "number"],
)
def test_garbage_is_refused_and_never_repeated(store, use_backend, content, lab):
    """What is not a key is reported by its place alone."""
    use_backend("Memory").items["nimbus-sdk", lab] = content
    with pytest.raises(CredentialStoreError, match="not a Nimbus API key") as caught:
        store.read("lab")
    assert f"service nimbus-sdk, user {lab}" in str(caught.value)
    message = "".join(format_exception(caught.value))
    assert "hunter2" not in message
    assert KEY.key.reveal() not in message


def test_a_keyring_that_forgets_is_found_out(store, use_backend):
    """A write that was not stored is an error at once, not at the next start."""
    use_backend("Forgetful")
    with pytest.raises(CredentialStoreError, match="did not store it"):
        store.write("lab", KEY)


def test_a_hang_ends_at_the_deadline(store, stuck):
    """The caller gets an error after the time given."""
    with pytest.raises(CredentialStoreError, match=r"did not answer in 0\.2 s"):
        store.read("lab")


def test_after_a_hang_the_keyring_rests_for_ten_minutes(store, stuck, paths, clock):
    """The next calls do not ask it, say so, and after ten minutes it is asked again."""
    with pytest.raises(CredentialStoreError):
        store.read("lab")
    clock.now += 8 * 60 + 5
    with pytest.raises(CredentialStoreError, match="skipped: did not answer 8 min ago") as caught:
        store.write("lab", KEY)
    assert "asked again in 2 min" in caught.value.hint
    assert breaker_state(paths) == "skipped: did not answer 8 min ago"
    assert len(stuck) == 1

    clock.now = NOW + REST_SECONDS
    assert breaker_state(paths) is None
    with pytest.raises(CredentialStoreError, match="did not answer in"):
        store.read("lab")
    assert len(stuck) == 2


def test_a_failure_at_once_is_retried_and_not_remembered(store, use_backend, paths, monkeypatch):
    """A reader that meets a writer is answered by the next attempt, and the next call asks again."""
    monkeypatch.setattr(keyring_backend, "_RETRY_AFTER", (0.0,) * 3)
    backend = use_backend("Memory")
    answers = iter([KeyringError("busy"), KeyringError("busy"), None])

    def get(*_):
        answer = next(answers)
        if answer is not None:
            raise answer

    monkeypatch.setattr(backend, "get_password", get)
    assert store.read("lab") is None
    use_backend("Failing")
    with pytest.raises(CredentialStoreError, match=r"failed \(KeyringError\)"):
        store.read("lab")
    assert breaker_state(paths) is None
    use_backend("Memory")
    assert store.read("lab") is None


def test_a_locked_keyring_is_asked_again_at_once(store, use_backend):
    """It answered at once, and somebody may have unlocked it by now."""
    use_backend("Locked")
    with pytest.raises(CredentialStoreError):
        store.read("lab")
    use_backend("Memory")
    assert store.read("lab") is None


def test_a_notice_says_what_is_being_waited_for(paths, use_backend, monkeypatch, capsys):
    """After the quiet time one line says that a prompt may be open; the answer still counts."""
    monkeypatch.setenv("KEYRING_SECONDS", "0.2")
    monkeypatch.setattr(keyring_backend, "_QUIET_SECONDS", 0.05)
    use_backend("Slow")
    assert KeyringStore(paths, patience=10.0).read("lab") == KEY
    assert capsys.readouterr().err == "Waiting for the system's key store; answer its prompt …\n"


def test_a_slow_refusal_is_remembered(paths, use_backend, monkeypatch, capsys):
    """A prompt that cost time and was dismissed is not opened again at once."""
    backend = use_backend("Locked")
    fail = backend.get_password
    monkeypatch.setattr(backend, "get_password", lambda *names: time.sleep(0.1) or fail(*names))
    monkeypatch.setattr(keyring_backend, "_QUIET_SECONDS", 0.05)
    with pytest.raises(CredentialStoreError, match="locked"):
        KeyringStore(paths, patience=10.0).read("lab")
    assert breaker_state(paths).startswith("skipped: stayed locked")
    assert "Waiting" in capsys.readouterr().err


def test_who_waits_longer_may_ask_again(store, stuck, paths, clock, use_backend):
    """A night job that nobody could answer does not take the keyring from whoever is there in the morning."""
    with pytest.raises(CredentialStoreError):
        store.read("lab")
    use_backend("Memory")
    with pytest.raises(CredentialStoreError, match="skipped"):
        store.read("lab")
    assert KeyringStore(paths, patience=60.0).read("lab") is None
    assert breaker_state(paths) is None


def test_where_nothing_can_be_written_the_hang_is_still_only_slow(stuck, tmp_path, settings):
    """A home that cannot be written to makes no second error, and the process remembers by itself."""
    (tmp_path / "file").write_text("no folder")
    paths = replace(settings.paths, state=str(tmp_path / "file" / "state"))
    with pytest.raises(CredentialStoreError, match="did not answer"):
        KeyringStore(paths, patience=ALONE).read("lab")
    with pytest.raises(CredentialStoreError, match="skipped: did not answer"):
        KeyringStore(paths, patience=ALONE).read("lab")
    assert breaker_state(paths) is not None


GOOD = {"until": NOW + 60, "reason": "did not answer", "patience": 2.0, "host": os.uname().nodename}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        json.dumps({**GOOD, "until": "soon"}).encode(),
        json.dumps({**GOOD, "until": NOW}).encode(),
        json.dumps({**GOOD, "until": NOW + REST_SECONDS + 1}).encode(),
        json.dumps({**GOOD, "host": "another-machine"}).encode(),
        json.dumps({**GOOD, "reason": "\x1b[2J"}).encode(),
        json.dumps({name: value for name, value in GOOD.items() if name != "host"}).encode(),
    ],
)
def test_a_memory_that_makes_no_sense_does_not_bind(paths, content):
    """Damaged, over, from another machine, from a clock set back since: the keyring is asked as usual."""
    fs.write_private(paths.keyring_breaker, content)
    assert read_breaker(paths.keyring_breaker, now=NOW) is None


def test_a_memory_that_makes_sense_binds(paths):
    """The same file as above with nothing wrong in it counts."""
    fs.write_private(paths.keyring_breaker, json.dumps(GOOD).encode())
    assert read_breaker(paths.keyring_breaker, now=NOW).patience == 2.0


@pytest.mark.parametrize(("person", "patience"), [(True, 60.0), (False, 2.0)], ids=["there", "away"])
def test_the_patience_follows_whether_a_person_is_there(monkeypatch, person, patience):
    """2 seconds where nobody can answer a prompt, 60 where a person can."""
    stream = SimpleNamespace(isatty=lambda: person)
    monkeypatch.setattr(sys, "stdin", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    assert default_patience() == patience


def test_a_lock_that_changes_hands_is_waited_for(store, use_backend, paths, monkeypatch):
    """Others that the keyring answers are waited for; one that it does not answer is not."""
    use_backend("Memory")
    os.makedirs(paths.state)
    with Lock(paths.keyring_lock) as other:
        assert other.try_acquire()
        turns = iter(range(50))
        real_sleep = time.sleep

        def sleep(seconds):
            if next(turns, None) is not None:
                os.utime(paths.keyring_lock, ns=(0, time.time_ns()))
            real_sleep(0.01)

        monkeypatch.setattr("nimbus_sdk.storage.lock.time.sleep", sleep)
        with pytest.raises(CredentialStoreError, match="is waited for by another process"):
            store.read("lab")
        assert next(turns, None) is None
    assert store.read("lab") is None


def test_a_keyring_that_does_not_even_say_whether_it_is_locked_is_left_alone(
    store, stuck, paths, clock, monkeypatch
):
    """That question is asked now and then, and for a removal; the calls in between wait for nothing."""
    over, asked = threading.Event(), []
    monkeypatch.setattr(keyring_backend, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(keyring_entry, "is_unlocked", lambda: asked.append("look") or over.wait(10))
    for _ in range(3):
        with pytest.raises(CredentialStoreError, match="did not answer"):
            store.read("lab")
    assert (len(stuck), len(asked)) == (1, 1)
    with pytest.raises(CredentialStoreError, match="did not answer"):
        store.delete("lab")
    assert (len(stuck), len(asked)) == (1, 2)
    clock.now += LOOK_SECONDS
    over.set()
    with pytest.raises(CredentialStoreError, match="did not answer in"):
        store.read("lab")
    assert (len(stuck), len(asked)) == (2, 3)
