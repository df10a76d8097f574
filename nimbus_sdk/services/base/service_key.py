"""A key of one of the further services: opaque text or a JSON Web Token, masked like every key."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import TypeAlias

from nimbus_sdk.config.keys import PASTED_AROUND_A_KEY, PREFIXES, common_fault, note_secret
from nimbus_sdk.errors import InvalidKeyFormatError
from nimbus_sdk.errors.printable import printable_texts

MAX_LENGTH = 8192
_MIN_LENGTH_TO_SHOW = 20
Check: TypeAlias = Callable[[str], "str | None"]


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


def parse_service_key(text: str | None, name: str, check: Check) -> ParsedServiceKey:
    """Parse a key: return it, the error with it, or None for None.

    The error is returned and not raised, so that the caller can drop the text first: a traceback shows the
    arguments of every function that it passed through.

    Args:
        text: The key; white space, line breaks and quotes around it are removed.
        name: The service it is for, in messages.
        check: Returns what is wrong with a key of this service, or None.

    Examples:
        >>> print(parse_service_key("Bearer abc", "Nexus", lambda text: None).message)
        This is not a Nexus key: it starts with 'Bearer '; give the key alone.
        >>> parse_service_key(" abcdefghijklmnopqrstuvwxyz\\n", "Nexus", lambda text: None)
        ServiceKey('abcd…wxyz')
    """
    if text is None:
        return None
    stripped = text.strip(PASTED_AROUND_A_KEY)
    problem = common_fault(stripped) or _problem(stripped) or check(stripped)
    if problem is None:
        return ServiceKey(stripped)
    return InvalidKeyFormatError(f"This is not a {name} key: {problem}.", hint="Copy the key again, whole.")


def _problem(text: str) -> str | None:
    if text.lower().startswith("bearer") and text[6:7].isspace():
        return "it starts with 'Bearer '; give the key alone"
    if text.startswith(PREFIXES):
        return "it is a key of the Nimbus BCI API, which works only there"
    if len(text) > MAX_LENGTH:
        return f"it has {len(text)} characters, more than {MAX_LENGTH}"
    if not all("!" <= letter <= "~" for letter in text):
        return "it contains white space or a character that no key has"
    return None
