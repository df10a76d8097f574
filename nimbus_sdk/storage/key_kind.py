"""Stored keys: what a store needs to know of a key, how an entry is written, and whose keys it holds.

A key is stored together with the origin of the one API that accepted it, in one entry. So a stored key goes
to that API alone: a ``.env`` in a cloned repository cannot have it sent elsewhere by naming another
``NIMBUS_SDK_API_URL``. A save that is killed leaves the old key with its origin, or the new one with its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.settings import DEFAULT_ORIGIN
from nimbus_sdk.errors import InvalidKeyFormatError


class Key(Protocol):
    """What a store needs to know of a key, whatever it looks like."""

    @property
    def masked(self) -> str:
        """The form that may be displayed."""

    @property
    def fingerprint(self) -> str:
        """The form for comparing and logging."""

    def reveal(self) -> str:
        """Return the whole key."""


K_co = TypeVar("K_co", bound=Key, covariant=True)


@dataclass(frozen=True, slots=True)
class KeyEntry(Generic[K_co]):
    """A key as it is stored.

    Attributes:
        key: The key; it masks itself.
        origin: Scheme, host and port of the API that accepted it; empty if that is not known.
    """

    key: K_co
    origin: str

    def to_fields(self) -> dict[str, str]:
        """Return the entry, the whole key included, as a store writes it."""
        return {"key": self.key.reveal(), "origin": self.origin}


@dataclass(frozen=True, slots=True)
class KeyKind(Generic[K_co]):
    """One kind of key.

    Attributes:
        parse: Makes a key of a stored text, or returns the fault with it; None stays None. It raises nothing,
            so that no traceback shows the text.
        origin: The API origin for a key that was stored without one; empty if it may go nowhere.
        name: What such a key is called.
        save_command: The command that stores one.
    """

    parse: Callable[[str | None], K_co | InvalidKeyFormatError | None]
    origin: str
    name: str = "Nimbus API key"
    save_command: str = "nimbus-sdk install"

    def parse_entry(self, stored: object) -> KeyEntry[K_co] | InvalidKeyFormatError | None:
        """Read what ``KeyEntry.to_fields`` returned, or a key alone, which somebody stored by hand.

        The fault is returned and not raised, so that no traceback shows the entry.
        """
        text, origin = stored, self.origin
        if isinstance(stored, dict):
            text, bound = stored.get("key"), stored.get("origin")
            if not isinstance(bound, str) or not bound.isprintable() or text is None:
                return InvalidKeyFormatError("The stored entry has no key or no origin.")
            origin = bound
        key = self.parse(None if text is None else str(text))
        return key if key is None or isinstance(key, InvalidKeyFormatError) else KeyEntry(key, origin)


NIMBUS_BCI: KeyKind[ApiKey] = KeyKind(parse_key, DEFAULT_ORIGIN)
