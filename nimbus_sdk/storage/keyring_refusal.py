"""Why a keyring could not be asked, or did not do what it was asked, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nimbus_sdk.errors import CredentialStoreError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

ELSEWHERE = (
    "NIMBUS_SDK_CREDENTIAL_STORE=file stores the key in a private file; NIMBUS_API_KEY gives it as well."
)
RETRY = "`nimbus-sdk doctor --retry-keyring` asks it at once."
_LOCKED_BY_TYPE = frozenset({"KeyringLocked", "LockedException", "PromptDismissedException"})
_GONE_BY_TYPE = frozenset({"SecretServiceNotAvailableException", "ConnectionError"})
_WITHOUT_STORAGE = frozenset({f"keyring.backends.{name}" for name in ("fail", "null", "chainer")})
_MAC_NO_INTERACTION = "-25308"


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


NOT_HERE = Refusal("was not found on this machine", is_absent=True)
ASKS_IN_TERMINAL = Refusal(
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
        return NOT_HERE
    if kinds & _GONE_BY_TYPE:
        return replace(_GONE, may_complete=may_complete)
    if "InitError" in kinds:
        return _NO_COLLECTION if "PromptDismissedException" in kinds else _NOT_OPENED
    if kinds & _LOCKED_BY_TYPE or _MAC_NO_INTERACTION in str(error):
        return _LOCKED
    return Refusal(f"failed ({_describe(error)})", is_passing=True, may_complete=may_complete)


def unusable(error: BaseException) -> Refusal:
    """Return what an error means that was raised before any backend was asked; it has no key in its text."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "NoKeyringError" in kinds:
        return NOT_HERE
    first_line = next((line[:200] for line in str(error).splitlines() if line.isprintable()), "no details")
    return Refusal(f"cannot be loaded ({type(error).__name__}: {first_line})")


def too_weak(backend: KeyringBackend) -> Refusal:
    """Return the refusal for a backend that does not count as a keyring."""
    kind = type(backend)
    if _WITHOUT_STORAGE & {each.__module__ for each in kind.__mro__}:
        return NOT_HERE
    return Refusal(
        f"was not found on this machine: {kind.__module__}.{kind.__qualname__} does not protect a key "
        "(its priority is below 1)",
        is_absent=True,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _describe(error: BaseException) -> str:
    names = [str(getattr(cause, "name", "")) for cause in _causes(error)]
    on_bus = next((name for name in names if name.startswith("org.")), "")
    return f"{type(error).__name__}, {on_bus}" if on_bus else type(error).__name__
