"""The API key in the operating system's keyring, asked in a way that cannot hang the caller.

A keyring that waits for a prompt nobody sees never returns, some need a minute only to be imported, and
no keyring library has a timeout. So every step, the import included, happens in a daemon thread that is
waited for until a deadline and then left behind; a daemon thread does not hold up the interpreter's exit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.display.terminal import is_interactive
from nimbus_sdk.display.waiting import TimeLimitError, run_with_timeout
from nimbus_sdk.errors import CredentialStoreError, InvalidKeyFormatError
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, K_co, Key, KeyEntry, KeyKind
from nimbus_sdk.storage.keyring_breaker import read_breaker, trip

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

SERVICE = "nimbus-sdk"
_MAC_NO_INTERACTION = "-25308"
_BACKENDS_WITHOUT_STORAGE = frozenset({"keyring.backends.fail", "keyring.backends.null"})
_ELSEWHERE = (
    "NIMBUS_SDK_CREDENTIAL_STORE=file stores the key in a private file; NIMBUS_API_KEY gives it as well."
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the keyring may take.

    Attributes:
        seconds: The deadline of one operation.
        quiet: Seconds after which a notice says what is being waited for.
    """

    seconds: float
    quiet: float

    @classmethod
    def here(cls) -> Patience:
        """2 s where nobody can answer a prompt, 60 s where a person can."""
        return cls(60.0, 2.0) if is_interactive() else cls(2.0, 2.0)


class KeyringStore(Generic[K_co]):
    """Stores one key a profile in the keyring: service ``nimbus-sdk``, user = profile.

    Args:
        paths: Where a keyring that did not answer is recorded.
        kind: Whose keys are read; any kind may be written.
        patience: How long one operation may take; ``Patience.here`` if omitted.
        clock: Unix time.

    Examples:
        >>> from nimbus_sdk.config.settings import Settings
        >>> store = KeyringStore(Settings(home="/srv/nimbus").paths)
        >>> store.name, store.location("lab")
        ('keyring', 'keyring, service nimbus-sdk, user lab')
    """

    name = "keyring"

    def __init__(
        self,
        paths: Paths,
        kind: KeyKind[K_co] = NIMBUS_BCI,  # type: ignore[assignment]
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._breaker = paths.keyring_breaker
        self._kind = kind
        self._patience = patience
        self._clock = clock

    def location(self, profile: str) -> str:
        """Describe where the key of a profile is."""
        return f"keyring, service {SERVICE}, user {profile}"

    def read(self, profile: str) -> KeyEntry[K_co] | None:
        """Return the profile's key, or None if the keyring has none.

        Raises:
            CredentialStoreError: There is no keyring, it is locked, failed or did not answer in time, or
                its entry is no key.
        """
        entry = self._kind.parse_entry(
            self._ask(lambda backend: _decode(backend.get_password(SERVICE, profile)))
        )
        if isinstance(entry, InvalidKeyFormatError):
            raise CredentialStoreError(
                f"The keyring's entry is not a {self._kind.name} ({self.location(profile)}).",
                hint=f"Save the key again with `{self._kind.save_command}`, or remove the entry.",
            )
        return entry

    def write(self, profile: str, entry: KeyEntry[Key]) -> None:
        """Store a key, replacing the one before.

        Raises:
            CredentialStoreError: As for ``read``, or the keyring did not store it.
        """

        def store(backend: KeyringBackend) -> bool:
            # Encoded here, in the thread: a traceback of this error shows the variables of its own frames.
            text = json.dumps(entry.to_fields(), separators=(",", ":"))
            backend.set_password(SERVICE, profile, text)
            return backend.get_password(SERVICE, profile) == text

        if not self._ask(store):
            raise CredentialStoreError("The keyring accepted the key and did not store it.", hint=_ELSEWHERE)

    def delete(self, profile: str) -> bool:
        """Remove a key, and return whether there was one.

        Raises:
            CredentialStoreError: As for ``read``.
        """

        def drop(backend: KeyringBackend) -> bool:
            if backend.get_password(SERVICE, profile) is None:
                return False
            backend.delete_password(SERVICE, profile)
            return True

        return self._ask(drop)

    def _ask(self, action: Callable[[KeyringBackend], T]) -> T:
        patience = self._patience or Patience.here()
        self._raise_if_skipped(patience)
        started = time.monotonic()
        try:
            reply = run_with_timeout(
                lambda: _answer(action),
                patience.seconds,
                notice="Waiting for the system's key store; answer its prompt …",
                notice_after=patience.quiet,
            )
        except TimeLimitError:
            self._trip("did not answer", patience)
            raise CredentialStoreError(
                f"The keyring did not answer in {patience.seconds:g} s.",
                hint=f"It is skipped for 10 minutes. {_ELSEWHERE}",
            ) from None
        if isinstance(reply, _Value):
            return reply.value
        # A keyring that answers at once costs nothing to ask again, and may have been unlocked by then.
        if reply.failed or time.monotonic() - started >= patience.quiet:
            self._trip(reply.what, patience)
        raise CredentialStoreError(f"The keyring {reply.what}.", hint=reply.hint)

    def _raise_if_skipped(self, patience: Patience) -> None:
        now = self._clock()
        breaker = read_breaker(self._breaker, now=now)
        if breaker is not None and patience.seconds <= breaker.patience:
            minutes = int((breaker.until - now) // 60) + 1
            raise CredentialStoreError(
                f"The keyring was {breaker.wording(now)}.",
                hint=f"It is asked again in {minutes} min. {_ELSEWHERE}",
            )

    def _trip(self, reason: str, patience: Patience) -> None:
        trip(self._breaker, reason=reason, patience=patience.seconds, now=self._clock())


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


@dataclass(frozen=True, slots=True)
class _Failure:
    what: str
    hint: str = _ELSEWHERE
    failed: bool = False


_NOT_HERE = _Failure("was not found on this machine")
_LOCKED = _Failure("stayed locked", "Unlock it, or run this where its prompt can be answered. " + _ELSEWHERE)


def _answer(action: Callable[[KeyringBackend], T]) -> _Value[T] | _Failure:
    try:
        import keyring
        from keyring.errors import InitError, KeyringLocked, NoKeyringError
    except ImportError:
        return _NOT_HERE
    try:
        backend = keyring.get_keyring()
        return _Value(action(backend)) if _stores_keys(backend) else _NOT_HERE
    except NoKeyringError:
        return _NOT_HERE
    except (KeyringLocked, InitError):
        return _LOCKED
    except BaseException as error:  # noqa: BLE001 - a backend is foreign code: whatever it raises is a reply
        # Only the type of the error is shown: its text may have the key in it.
        locked = _MAC_NO_INTERACTION in str(error)
        return _LOCKED if locked else _Failure(f"failed ({type(error).__name__})", failed=True)


def _stores_keys(backend: KeyringBackend) -> bool:
    if type(backend).__module__ == "keyring.backends.chainer":
        return any(_stores_keys(link) for link in getattr(backend, "backends", ()))
    return type(backend).__module__ not in _BACKENDS_WITHOUT_STORAGE
