"""One entry of the keyring, in every backend that can have it, and which backends count as a keyring."""

from __future__ import annotations

import getpass
import subprocess
import sys
from collections.abc import Callable, Hashable
from contextlib import closing, suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "nimbus-sdk"
LOWEST_PRIORITY = 1.0
"""Below it, the keyring package recommends no backend: those store passwords in plain text, or nothing."""
MOST_DUPLICATES = 100
_SECRET_SERVICE = frozenset({"keyring.backends.SecretService", "keyring.backends.libsecret"})
_DEFAULT_COLLECTION = "/org/freedesktop/secrets/aliases/default"
_ASKING = (getpass, getpass.getpass, subprocess)
"""What a backend imports that asks for its password in the terminal, itself or through a program."""


class GivenUpError(Exception):
    """The caller does not wait any more, so nothing may be changed."""


class KeyringEntry:
    """One entry of a keyring: service ``nimbus-sdk``, and a user. Whatever a backend raises is passed on.

    Args:
        backends: Those of the keyring; all of them are read and deleted from.
        user: The user of the entry.
        is_given_up: Whether the caller does not wait any more; asked before each change.

    Attributes:
        may_have_changed: Whether a text that was not stored properly may be in it.
    """

    def __init__(self, backends: list[KeyringBackend], user: str, is_given_up: Callable[[], bool]) -> None:
        self._backends = backends
        self._user = user
        self._is_given_up = is_given_up
        self.may_have_changed = False

    def read(self) -> str | None:
        """Return the text of the first backend that has one, or None."""
        found = (backend.get_password(SERVICE, self._user) for backend in self._backends)
        return next((text for text in found if text is not None), None)

    def write(self, text: str) -> bool:
        """Store a text and return whether it can be read back; if it cannot, nothing of it stays."""
        if self.read() == text:
            return True
        # A keyring that has been silent answers here first, when it may be too late to write.
        self._require_wanted()
        self.may_have_changed = True
        self._set(text)
        try:
            if self.read() == text:
                return True
            # Other entries of the same name may have come first.
            self._remove_each()
            self._set(text)
            if self.read() == text:
                return True
        except BaseException:
            self._withdraw()
            raise
        self._withdraw()
        return False

    def remove(self, only: str | None = None) -> bool:
        """Remove the entry (only one with this text) and all duplicates; return whether there was one."""
        return self._remove_each(only, before_each=self._require_wanted)

    def _require_wanted(self) -> None:
        if self._is_given_up():
            raise GivenUpError

    def _withdraw(self) -> None:
        """Remove what was written, even if it cannot be read."""
        try:
            self._remove_each()
        except Exception:  # noqa: BLE001 - a backend is foreign code; if it cannot delete either, that is raised
            for backend in self._backends:
                backend.delete_password(SERVICE, self._user)
        self.may_have_changed = False

    def _set(self, text: str) -> None:
        *others, last = self._backends
        for backend in others:
            with suppress(NotImplementedError):
                return backend.set_password(SERVICE, self._user, text)
        return last.set_password(SERVICE, self._user, text)

    def _remove_each(
        self, only: str | None = None, *, before_each: Callable[[], object] = lambda: None
    ) -> bool:
        removed, errors = False, []
        for backend in self._backends:
            try:
                removed |= self._remove_from(backend, only, before_each)
            except Exception as error:  # noqa: BLE001 - raised below, after the other backends were asked
                errors.append(error)
        if errors:
            raise errors.pop()
        return removed

    def _remove_from(
        self, backend: KeyringBackend, only: str | None, before_each: Callable[[], object]
    ) -> bool:
        from keyring.errors import PasswordDeleteError

        for count in range(MOST_DUPLICATES):
            found = backend.get_password(SERVICE, self._user)
            if found is None or only not in (None, found):
                return count > 0
            before_each()
            try:
                backend.delete_password(SERVICE, self._user)
            except PasswordDeleteError:
                # Another process may have been faster.
                if backend.get_password(SERVICE, self._user) is not None:
                    raise
        raise PasswordDeleteError(f"more than {MOST_DUPLICATES} entries")


def usable_backends(backend: KeyringBackend) -> list[KeyringBackend]:
    """Return the backends that count as a keyring: the backend itself, or those of a chain."""
    from keyring.backends.chainer import ChainerBackend

    chain = list(backend.backends) if isinstance(backend, ChainerBackend) else [backend]
    return [each for each in chain if _priority(each.__class__) >= LOWEST_PRIORITY]


def asks_in_terminal(backend: KeyringBackend) -> bool:
    """Return whether a backend may ask for its password in the terminal, where the program reads as well.

    The backends of the keyring package itself talk to a service of the system, whose prompt is a window.
    """
    modules = {
        kind.__module__ for kind in type(backend).__mro__ if not kind.__module__.startswith("keyring.")
    }
    values = [value for name in modules for value in vars(sys.modules.get(name, sys)).values()]
    return any(value is asking for value in values for asking in _ASKING)


def is_unlocked(backend: KeyringBackend) -> bool:
    """Return whether the keyring is known to be unlocked; opens no prompt."""
    if type(backend).__module__ not in _SECRET_SERVICE:
        return False
    import secretstorage

    with closing(secretstorage.dbus_init()) as connection:
        path = getattr(backend, "preferred_collection", _DEFAULT_COLLECTION)
        return not secretstorage.Collection(connection, path).is_locked()


@cache
def _priority(kind: Hashable) -> float:
    try:
        return float(kind.priority)  # type: ignore[attr-defined]
    except RuntimeError:
        # It was fit for this machine when it was chosen, and its service may be down for the moment.
        return LOWEST_PRIORITY
