"""Backends of the keyring package: which count as a keyring, one entry in them, what a refusal means."""

from __future__ import annotations

import getpass
import logging
import subprocess
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from nimbus_sdk.display.terminal import is_interactive, is_notebook
from nimbus_sdk.errors import CredentialStoreError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_log = logging.getLogger("nimbus_sdk")

SERVICE = "nimbus-sdk"
LOWEST_PRIORITY = 1.0
"""Below it, the keyring package recommends no backend: those store passwords in plain text, or nothing."""
MOST_DUPLICATES = 100
_SECRET_SERVICE = frozenset({"keyring.backends.SecretService", "keyring.backends.libsecret"})
_DEFAULT_COLLECTION = "/org/freedesktop/secrets/aliases/default"
_ASKING = (getpass, getpass.getpass, subprocess)
"""What a backend imports that asks for its password in the terminal, itself or through a program."""
ELSEWHERE = (
    "NIMBUS_SDK_CREDENTIAL_STORE=file stores the key in a private file; NIMBUS_API_KEY gives it as well."
)
RETRY = "`nimbus-sdk doctor --retry-keyring` asks it at once."
_LOCKED_BY_TYPE = frozenset({"KeyringLocked", "LockedException", "PromptDismissedException"})
_GONE_BY_TYPE = frozenset({"SecretServiceNotAvailableException", "ConnectionError"})
_WITHOUT_STORAGE = frozenset({f"keyring.backends.{name}" for name in ("fail", "null", "chainer")})
_MAC_NO_INTERACTION = "-25308"


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


def find_backends() -> list[KeyringBackend] | Refusal:
    """Return the backends that count as a keyring and can be asked here."""
    try:
        import keyring
    except ImportError:
        return _NOT_HERE
    try:
        from keyring.backends.chainer import ChainerBackend

        backend = keyring.get_keyring()
        chain = list(backend.backends) if isinstance(backend, ChainerBackend) else [backend]
        usable = [each for each in chain if _priority(each.__class__) >= LOWEST_PRIORITY]
    except BaseException as error:  # noqa: BLE001 - a backend is foreign code: whatever it raises is a reply
        return _unusable(error)
    if not usable:
        return _too_weak(type(backend))
    quiet = [each for each in usable if not _asks_in_terminal(each)]
    if not quiet and (is_notebook() or not is_interactive()):
        return _ASKS_IN_TERMINAL
    return quiet or usable


def _asks_in_terminal(backend: KeyringBackend) -> bool:
    """Return whether a backend may ask for its password in the terminal, where the program reads as well.

    The backends of the keyring package itself talk to a service of the system, whose prompt is a window.
    """
    modules = {
        kind.__module__ for kind in type(backend).__mro__ if not kind.__module__.startswith("keyring.")
    }
    values = [value for name in modules for value in vars(sys.modules.get(name, sys)).values()]
    return any(value is asking for value in values for asking in _ASKING)


def is_unlocked() -> bool:
    """Return whether the keyring is known to be unlocked; opens no prompt."""
    try:
        backends = find_backends()
        if isinstance(backends, Refusal) or type(backends[0]).__module__ not in _SECRET_SERVICE:
            return False
        import secretstorage

        with closing(secretstorage.dbus_init()) as connection:
            path = getattr(backends[0], "preferred_collection", _DEFAULT_COLLECTION)
            return not secretstorage.Collection(connection, path).is_locked()
    except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises, it is not known to be unlocked
        _log.debug("Whether the keyring is unlocked is not known (%s).", type(error).__name__)
        return False


@cache
def _priority(kind: Hashable) -> float:
    try:
        return float(kind.priority)  # type: ignore[attr-defined]
    except RuntimeError:
        # It was fit for this machine when it was chosen, and its service may be down for the moment.
        return LOWEST_PRIORITY


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the keyring did not do what it was asked; that says nothing of what it has.

    Attributes:
        reason: As the end of a sentence that begins with "The keyring".
        hint: What to do.
        is_absent: Whether this machine has no keyring that counts.
        is_passing: Whether the next attempt may succeed.
        may_complete: Whether something may be written nevertheless, now or later.
        opens_breaker: What is recorded so that the next calls do not ask; empty if they ask again.
    """

    reason: str
    hint: str = ELSEWHERE
    is_absent: bool = False
    is_passing: bool = False
    may_complete: bool = False
    opens_breaker: str = ""

    def as_error(self) -> CredentialStoreError:
        """Return the error that says so."""
        return CredentialStoreError(f"The keyring {self.reason}.", hint=self.hint)


_NOT_HERE = Refusal("was not found on this machine", is_absent=True)
_ASKS_IN_TERMINAL = Refusal(
    "asks for its password in the terminal, and nobody can answer here", f"Run it in a terminal. {ELSEWHERE}"
)
_LOCKED = Refusal("stayed locked", f"Unlock it, or run this where its prompt can be answered. {ELSEWHERE}")
_NOT_OPENED = Refusal("could not be opened", f"Unlock it, or check that its service runs. {ELSEWHERE}")
_NO_COLLECTION = Refusal(
    "has no default collection, and its prompt to make one was not answered",
    f"Make a default keyring in your system's password manager. {ELSEWHERE}",
)
_GONE = Refusal(
    "is not running: its service does not answer on the session bus",
    f"Start it, or log in to the desktop again. {ELSEWHERE}",
    is_passing=True,
)


def refusal_of(error: BaseException, may_complete: bool) -> Refusal:
    """Return what an error of a backend means. Only its type is shown: the text may have the key in it."""
    kinds = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    if "NoKeyringError" in kinds:
        return _NOT_HERE
    if kinds & _GONE_BY_TYPE:
        return replace(_GONE, may_complete=may_complete)
    if "InitError" in kinds:
        return _NO_COLLECTION if "PromptDismissedException" in kinds else _NOT_OPENED
    if kinds & _LOCKED_BY_TYPE or _MAC_NO_INTERACTION in str(error):
        return _LOCKED
    return Refusal(f"failed ({_describe(error)})", is_passing=True, may_complete=may_complete)


def _unusable(error: BaseException) -> Refusal:
    """Return what an error means that was raised before any backend was asked; it has no key in its text."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "NoKeyringError" in kinds:
        return _NOT_HERE
    first_line = next((line[:200] for line in str(error).splitlines() if line.isprintable()), "no details")
    return Refusal(f"cannot be loaded ({type(error).__name__}: {first_line})")


def _too_weak(kind: type[KeyringBackend]) -> Refusal:
    """Return the refusal for a backend that does not count as a keyring."""
    if _WITHOUT_STORAGE & {each.__module__ for each in kind.__mro__}:
        return _NOT_HERE
    fault = f"{kind.__module__}.{kind.__qualname__} does not protect a key (its priority is below 1)"
    return Refusal(f"was not found on this machine: {fault}", is_absent=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _describe(error: BaseException) -> str:
    names = [str(getattr(cause, "name", "")) for cause in _causes(error)]
    on_bus = next((name for name in names if name.startswith("org.")), "")
    return f"{type(error).__name__}, {on_bus}" if on_bus else type(error).__name__
