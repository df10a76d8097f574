"""Keyrings that hang, in processes of their own: no call and no exit waits for them."""

import os
import pty
import subprocess
import sys
import threading
import time

import pytest

from nimbus_sdk.storage.keyring_breaker import breaker_state, read_breaker

DEADLINE = 2.0
OVERHEAD = 1.5
KEY = "nbci_test_" + "0123456789ab" * 4

READ = """
import sys
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage.key_lookup import find_key

settings = Settings.load()
try:
    print(find_key(settings))
except NimbusError as error:
    print(type(error).__name__, error)
"""

PATIENT = """
from nimbus_sdk.storage import keyring_backend

keyring_backend.default_patience = lambda: 60.0
"""
"""For answers that come at once, however busy the machine is."""


class Run:
    """One fresh process and its whole duration."""

    def __init__(self, environment, program=READ, **streams):
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, **streams
        )
        self._thread = threading.Thread(target=self._finish)
        self._thread.start()

    def _finish(self):
        self.output, self.errors = self._process.communicate(timeout=60)
        self.seconds = time.monotonic() - self._started

    def done(self):
        """Wait for its end, and give it."""
        self._thread.join()
        return self


def start(environment, program=READ):
    """A process to which nobody can answer."""
    return Run(environment, program, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.fixture
def slow_import(tmp_path):
    """A folder whose module named keyring hangs while it is imported."""
    folder = tmp_path / "slow_import"
    folder.mkdir()
    (folder / "keyring.py").write_text("import threading\nthreading.Event().wait()\n")
    return folder


def test_no_keyring_holds_up_a_process(fresh_environment, slow_import, tmp_path, paths):
    """Hanging, stuck at import: the process waits for 2 s and ends, and the next one does not ask."""
    hanging = fresh_environment("backends.Hanging")
    importing = fresh_environment("backends.Memory", slow_import, NIMBUS_SDK_HOME=str(tmp_path / "import"))

    for run in [start(hanging), start(importing)]:
        run.done()
        assert "MissingKeyError" in run.output
        assert "The keyring did not answer in 2 s." in run.output
        assert run.errors == ""
        assert run.seconds >= DEADLINE

    again = start(hanging).done()
    assert "The keyring was skipped: did not answer" in again.output
    assert breaker_state(paths).startswith("skipped: did not answer")
    assert read_breaker(paths.keyring_breaker, now=time.time() + 600) is None


@pytest.mark.qualification
def test_a_keyring_that_hangs_costs_two_seconds_and_only_once(fresh_environment):
    """With the exit, on a machine that is not busy; the next process does not wait at all."""
    hanging = fresh_environment("backends.Hanging")
    assert start(hanging).done().seconds < DEADLINE + OVERHEAD
    assert start(hanging).done().seconds < OVERHEAD


@pytest.mark.qualification
def test_a_keyring_that_answers_much_later_is_one_that_hangs(fresh_environment):
    """The process waits for 2 s and ends, whenever the answer would come."""
    run = start(fresh_environment("backends.Slow", KEYRING_SECONDS="600")).done()
    assert "MissingKeyError" in run.output
    assert "The keyring did not answer in 2 s." in run.output
    assert run.errors == ""
    assert run.seconds >= DEADLINE


def test_somebody_at_a_terminal_has_the_time_to_answer(fresh_environment):
    """Where a person can type, an answer after more than 2 s counts, and one line says what is awaited."""
    ours, theirs = pty.openpty()
    environment = fresh_environment("backends.Slow", KEYRING_SECONDS="2.6")
    run = Run(environment, stdin=theirs, stderr=theirs)
    os.close(theirs)
    run.done()
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert shown == "Waiting for the system's key store; answer its prompt …\r\n"
    assert "FoundKey(key=ApiKey('nbci_test_0123…89ab'), source='store'" in run.output
    assert KEY not in run.output + shown


def test_a_locked_keyring_is_not_waited_for_and_keeps_its_secret(fresh_environment):
    """A locked or failing keyring is reported as such; nothing of what it says is repeated."""
    locked = start(fresh_environment("backends.Locked"), PATIENT + READ).done()
    assert "The keyring stayed locked." in locked.output
    # One after the other: the second is remembered as failing, and the first would find that.
    talkative = start(fresh_environment("backends.Talkative"), PATIENT + READ)
    assert "The keyring failed (RuntimeError)." in talkative.done().output
    assert KEY not in talkative.output + talkative.errors
