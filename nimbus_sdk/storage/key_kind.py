"""Whose keys a store holds: the Nimbus API's own, or those of another system."""

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
        """What people may see of it."""
        ...

    @property
    def fingerprint(self) -> str:
        """What it may be compared and logged by."""
        ...

    def reveal(self) -> str:
        """The whole key."""
        ...


K_co = TypeVar("K_co", bound=Key, covariant=True)


@dataclass(frozen=True, slots=True)
class KeyKind(Generic[K_co]):
    """One kind of key.

    Attributes:
        read: Makes a key of a stored text, or gives the fault with it; None stays None. It raises nothing,
            so that no traceback shows the text.
        origin: The API origin for a key of which nothing is noted; empty where it may go nowhere.
        name: What such a key is called.
        save_command: The command that stores one.

    Example:
        >>> NIMBUS_BCI.origin, NIMBUS_BCI.read("nbci_test_" + "0123456789ab" * 4)
        ('https://api.nimbusbci.com:443', ApiKey('nbci_test_0123…89ab'))
    """

    read: Callable[[str | None], K_co | InvalidKeyFormatError | None]
    origin: str
    name: str = "Nimbus API key"
    save_command: str = "nimbus-sdk install"


NIMBUS_BCI: KeyKind[ApiKey] = KeyKind(parse_key, DEFAULT_ORIGIN)
