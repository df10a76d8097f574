"""Keyring backends for tests: one that works, and one for every way in which real ones fail.

Chosen through ``PYTHON_KEYRING_BACKEND=backends.<name>`` with this folder on ``PYTHONPATH``, or through
``keyring.set_keyring``.
"""

# ruff: noqa: D102 - the methods are those of KeyringBackend

import os
import threading
import time

from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringError, KeyringLocked, NoKeyringError, PasswordDeleteError

KEY = "nbci_test_" + "0123456789ab" * 4


class Memory(KeyringBackend):
    """Works, and counts what it is asked."""

    priority: float = 5

    def __init__(self):
        self.items = {}
        self.asked = []

    def get_password(self, service, username):
        self.asked.append(("get", threading.current_thread().daemon))
        return self.items.get((service, username))

    def set_password(self, service, username, password):
        self.asked.append(("set", threading.current_thread().daemon))
        self.items[service, username] = password

    def delete_password(self, service, username):
        if self.items.pop((service, username), None) is None:
            raise PasswordDeleteError("no such password")


class PlainText(Memory):
    """Works, and protects nothing."""

    priority: float = 0.5


class Failing(Memory):
    """Answers everything with one and the same error."""

    error: BaseException = KeyringError("a fault")

    def get_password(self, service, username):
        raise self.error

    def set_password(self, service, username, password):
        raise self.error

    def delete_password(self, service, username):
        raise self.error


class Locked(Failing):
    """A collection whose prompt was dismissed."""

    error = KeyringLocked("Failed to unlock the collection!")


class Uninitialised(Failing):
    """A collection that could not be made."""

    error = InitError("Failed to create the collection")


class MacOverSsh(Failing):
    """What the keychain of macOS says where no interaction is allowed."""

    error = KeyringError("Can't get password from keychain: (-25308, 'Unknown Error')")


class Nobody(Failing):
    """A backend that finds out late that there is no keyring."""

    error = NoKeyringError("No recommended backend was available.")


class Talkative(Failing):
    """Fails, and its error repeats the secret."""

    error = RuntimeError(f"could not store {KEY}")


class Quitting(Failing):
    """Ends the program, as some backends do on Ctrl-C in their prompt."""

    error = SystemExit(3)


class Forgetful(Memory):
    """Takes a password and keeps nothing."""

    def set_password(self, service, username, password):
        pass


class Garbage(Memory):
    """Holds something that is not a key."""

    def get_password(self, service, username):
        return f"Bearer {KEY}-and-more"


class Hanging(Memory):
    """Waits for a prompt that nobody sees."""

    def get_password(self, service, username):
        threading.Event().wait()


class Slow(Memory):
    """Answers after as many seconds as KEYRING_SECONDS says."""

    def get_password(self, service, username):
        time.sleep(float(os.environ["KEYRING_SECONDS"]))
        return KEY
