"""The API key in the operating system's keyring, asked in a way that cannot hang the caller.

A keyring that waits for a prompt nobody sees never returns, some need a minute only to be imported, and
no keyring library has a timeout. So every step, the import included, happens in a daemon thread that is
waited for until a deadline and then left behind; a daemon thread does not hold up the interpreter's exit.
What a thread that was left behind has written nevertheless, it removes again.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.display.terminal import is_interactive, restored_settings
from nimbus_sdk.display.timeouts import TimeLimitError, run_with_timeout
from nimbus_sdk.errors import CredentialStoreError, InvalidKeyFormatError
from nimbus_sdk.storage import keyring_breaker, keyring_entry
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, K_co, Key, KeyEntry, KeyKind
from nimbus_sdk.storage.key_metadata import has_key_in_keyring
from nimbus_sdk.storage.keyring_entry import ELSEWHERE, RETRY, SERVICE, KeyringEntry, Refusal
from nimbus_sdk.storage.lock import Lock

T = TypeVar("T")
_log = logging.getLogger("nimbus_sdk")

_QUIET_SECONDS = 2.0
"""After it, a notice says what is being waited for."""

_LOOK_SECONDS = 1.0
_RETRY_AFTER = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Pauses between attempts, in seconds: another process may be changing the same entry."""


def default_patience() -> float:
    """Return 2 s where nobody can answer a prompt, and 60 s where a person can."""
    return 60.0 if is_interactive() else 2.0


class KeyringStore(Generic[K_co]):
    """Stores one key a profile in the keyring: service ``nimbus-sdk``, user = ``Paths.keyring_user``.

    Every method raises ``CredentialStoreError`` if the keyring could not be asked or did not do it.

    Args:
        paths: Whose entry it is, and where a keyring that did not answer is recorded.
        kind: Whose keys are read; any kind may be written.
        patience: Seconds that one operation may take, after other processes have had theirs;
            ``default_patience`` if omitted.

    Attributes:
        refusal: Why the last operation was not carried out; None if it was.
    """

    name = "keyring"

    def __init__(
        self,
        paths: Paths,
        kind: KeyKind[K_co] = NIMBUS_BCI,  # type: ignore[assignment]
        *,
        patience: float | None = None,
    ) -> None:
        self.refusal: Refusal | None = None
        self._paths = paths
        self._breaker = paths.keyring_breaker
        self._kind = kind
        self._patience = patience

    def location(self, profile: str) -> str:
        """Describe where the key of a profile is."""
        return f"keyring, service {SERVICE}, user {replace(self._paths, profile=profile).keyring_user}"

    def read(self, profile: str) -> KeyEntry[K_co] | None:
        """Return the profile's key, or None if the keyring has none; an entry that is no key is an error."""
        entry = self._kind.parse_entry(self._ask(profile, lambda entry: _decode(entry.read())))
        if isinstance(entry, InvalidKeyFormatError):
            raise CredentialStoreError(
                f"The keyring's entry is not a {self._kind.name} ({self.location(profile)}).",
                hint=f"Save the key again with `{self._kind.save_command}`, or remove the entry.",
            )
        return entry

    def write(self, profile: str, entry: KeyEntry[Key]) -> None:
        """Store a key, replacing the one before."""

        def encode() -> str:
            # Only in the thread: a traceback of an error here shows the variables of its own frames.
            return json.dumps(entry.to_fields(), separators=(",", ":"))

        def withdraw(late: KeyringEntry) -> bool:
            is_wanted = has_key_in_keyring(replace(self._paths, profile=profile))
            return not is_wanted and late.remove(only=encode())

        if not self._ask(profile, lambda slot: slot.write(encode()), withdraw):
            self.refusal = Refusal("accepted the key and did not store it")
            raise self.refusal.as_error()

    def delete(self, profile: str) -> bool:
        """Remove a key with all its duplicates, and return whether there was one."""
        return self._ask(profile, lambda entry: entry.remove(), must_look=True)

    def _ask(
        self,
        profile: str,
        action: Callable[[KeyringEntry], T],
        withdraw: Callable[[KeyringEntry], object] | None = None,
        *,
        must_look: bool = False,
    ) -> T:
        """Run an action on an entry in the keyring's thread, and take back what it has done too late.

        ``must_look``: see whether a skipped keyring is unlocked, however recently it did not answer that.
        """
        user, patience = (
            replace(self._paths, profile=profile).keyring_user,
            self._patience or default_patience(),
        )
        with Lock(self._paths.keyring_lock) as lock:
            reply = (
                self._busy(lock, patience)
                or self._skipped(patience, must_look=must_look)
                or self._ask_in_turn(user, action, withdraw, patience)
            )
        if isinstance(reply, _Value):
            self.refusal = None
            return reply.value
        self.refusal = reply
        raise reply.as_error()

    def _ask_in_turn(
        self,
        user: str,
        action: Callable[[KeyringEntry], T],
        withdraw: Callable[[KeyringEntry], object] | None,
        patience: float,
    ) -> _Value[T] | Refusal:
        given_up, started = threading.Event(), time.monotonic()

        def discard(reply: object) -> None:
            if withdraw is None:
                return
            late = _answer(user, withdraw, patience, threading.Event())
            if isinstance(late, Refusal):
                _log.debug("What was written too late may still be in the keyring, which %s.", late.reason)

        try:
            with restored_settings():
                reply = run_with_timeout(
                    lambda: _answer(user, action, patience, given_up),
                    patience,
                    notice="Waiting for the system's key store; answer its prompt …",
                    notice_after=_QUIET_SECONDS,
                    discard=discard,
                )
        except TimeLimitError:
            reply = Refusal(
                f"did not answer in {patience:g} s",
                f"It is skipped for 10 minutes; {RETRY} {ELSEWHERE}",
                may_complete=withdraw is not None,
                opens_breaker="did not answer",
            )
        finally:
            given_up.set()
        if isinstance(reply, _Value):
            if time.monotonic() - started < _QUIET_SECONDS:
                keyring_breaker.reset(self._breaker)
        elif reply.opens_breaker:
            reason, now = reply.opens_breaker, time.time()
            keyring_breaker.trip(self._breaker, reason=reason, patience=patience, now=now)
        return reply

    def _busy(self, lock: Lock, patience: float) -> Refusal | None:
        """Wait for other processes as long as the keyring answers them: many at once get it to fail."""
        if not os.path.isdir(self._paths.state):
            return None
        try:
            lock.acquire_in_turn(patience)
        except TimeoutError:
            return Refusal(f"is waited for by another process for more than {patience:g} s")
        except OSError as error:
            _log.debug("No lock at %s (%s); continuing without it.", lock.path, error)
        return None

    def _skipped(self, patience: float, *, must_look: bool) -> Refusal | None:
        now = time.time()
        breaker = keyring_breaker.read_breaker(self._breaker, now=now)
        if breaker is None or patience > breaker.patience:
            return None
        if must_look or now >= breaker.look_after:
            try:
                if run_with_timeout(keyring_entry.is_unlocked, _LOOK_SECONDS):
                    return None
            except TimeLimitError:
                keyring_breaker.delay_next_look(self._breaker, breaker, now=now)
        minutes = int((breaker.until - now) // 60) + 1
        hint = f"It is asked again in {minutes} min, or as soon as it is unlocked; {RETRY} {ELSEWHERE}"
        return Refusal(f"was {breaker.wording(now)}", hint)


def _decode(stored: object) -> object:
    """Return the fields of an entry, or the text of a key that somebody stored by hand."""
    text = None if stored is None else str(stored)
    if text is None or not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {}


@dataclass(frozen=True, slots=True)
class _Value(Generic[T]):
    value: T


def _answer(
    user: str, action: Callable[[KeyringEntry], T], patience: float, given_up: threading.Event
) -> _Value[T] | Refusal:
    """Ask the keyring, again if it fails fast: a reader may have met a writer."""
    backends = keyring_entry.find_backends()
    if isinstance(backends, Refusal):
        return backends
    pauses, last_attempt = iter(_RETRY_AFTER), time.monotonic() + patience / 2
    while True:
        started = time.monotonic()
        entry = KeyringEntry(backends, user, given_up.is_set)
        try:
            return _Value(action(entry))
        except BaseException as error:  # noqa: BLE001 - a backend is foreign code: whatever it raises is a reply
            reply = keyring_entry.refusal_of(error, entry.may_have_changed)
        ended = time.monotonic()
        if ended - started >= _QUIET_SECONDS:
            # A prompt that cost time and was dismissed is not opened again at once.
            return replace(reply, opens_breaker=reply.reason)
        pause = next(pauses, None)
        if not reply.is_passing or pause is None or ended + pause > last_attempt or given_up.wait(pause):
            return reply
