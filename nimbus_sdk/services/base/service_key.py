"""A key of one of the further services: opaque text or a JSON Web Token, masked like every key."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import TypeAlias

from nimbus_sdk.config.keys import PREFIXES, common_fault, note_secret
from nimbus_sdk.errors import InvalidKeyFormatError
from nimbus_sdk.errors.printable import printable_texts

MAX_LENGTH = 8192
_MIN_LENGTH_TO_SHOW = 20


@printable_texts
class ServiceKey:
    """A key that masks itself; ``reveal()`` is the one way out.

    Examples:
        >>> key = ServiceKey("sk_live_abc123xyz789def456")
        >>> key, key.masked
        (ServiceKey('sk_l…f456'), 'sk_l…f456')
        >>> ServiceKey("short")
        ServiceKey('…')
    """

    __slots__ = ("_text", "fingerprint")

    def __init__(self, text: str) -> None:
        self._text = text
        self.fingerprint = sha256(text.encode("utf-8")).hexdigest()[:12]
        note_secret(text)

    def reveal(self) -> str:
        """Return the whole key, for the one request header that carries it."""
        return self._text

    @property
    def masked(self) -> str:
        """The first four and last four characters; nothing of a short key."""
        if len(self._text) < _MIN_LENGTH_TO_SHOW:
            return "…"
        return f"{self._text[:4]}…{self._text[-4:]}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServiceKey):
            return NotImplemented
        return compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"ServiceKey({self.masked!r})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A ServiceKey is not pickled: a pickle would carry the whole key.")


ParsedServiceKey: TypeAlias = ServiceKey | InvalidKeyFormatError | None


def find_fault(text: str) -> str | None:
    """Return what is wrong with a text for a key of any of the further services, or None."""
    fault = common_fault(text)
    if fault is not None:
        return fault
    if text.lower().startswith("bearer") and text[6:7].isspace():
        return "it starts with 'Bearer '; give the key alone"
    if text.startswith(PREFIXES):
        return "it is a key of the Nimbus BCI API, which works only there"
    if len(text) > MAX_LENGTH:
        return f"it has {len(text)} characters, more than {MAX_LENGTH}"
    if not all("!" <= letter <= "~" for letter in text):
        return "it contains white space or a character that no key has"
    return None
