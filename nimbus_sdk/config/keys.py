"""API keys: parsing, masking and comparing.

Format (Nimbus API documentation): ``nbci_live_`` or ``nbci_test_`` and exactly 48 hexadecimal
characters. The example in the documentation has 52 and is rejected.
"""

from __future__ import annotations

from nimbus_sdk.errors import InvalidKeyFormatError
from nimbus_sdk.errors.printable import printable_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias, TypeVar

    ParsedKey: TypeAlias = "ApiKey | InvalidKeyFormatError | None"
    K = TypeVar("K")

PREFIXES = ("nbci_live_", "nbci_test_")
HEX_LENGTH = 48
REFERENCE = "${"
"""How a text refers to a variable. None is expanded: somebody else's ``.env`` would read the environment."""

_HEX = frozenset("0123456789abcdefABCDEF")
# The white space of str.strip(), listed so that quotes between white space are stripped too.
_WHITE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
PASTED_AROUND_A_KEY = f"{_WHITE}\ufeff\u200b\"'`"


@printable_texts
class ApiKey:
    """A valid key that masks itself; only ``reveal()`` returns the text.

    Examples:
        >>> key = ApiKey.parse("nbci_test_" + "0123456789ab" * 4 + "\\n")
        >>> key
        ApiKey('nbci_test_0123…89ab')
        >>> key.environment
        'test'
    """

    __slots__ = ("_text", "fingerprint")

    def __init__(self, text: str) -> None:
        from hashlib import sha256

        self._text = text
        self.fingerprint = sha256(text.encode("ascii")).hexdigest()[:12]
        note_secret(text)

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Return the key in a text; white space, line breaks and quotes around it are removed.

        Raises:
            InvalidKeyFormatError: It is not a key. The message contains lengths, never the text.
        """
        if not isinstance(text, str):
            raise InvalidKeyFormatError(
                f"This is not a Nimbus API key: it is not text ({type(text).__name__})."
            )
        stripped = text.strip(PASTED_AROUND_A_KEY)
        fault = _fault(stripped)
        if fault is not None:
            raise InvalidKeyFormatError(f"This is not a Nimbus API key: {fault}.")
        return cls(stripped)

    def reveal(self) -> str:
        """Return the whole key, for a request header or body."""
        return self._text

    @property
    def masked(self) -> str:
        """The form to display: prefix, first four and last four characters."""
        start = len(PREFIXES[0])
        return f"{self._text[: start + 4]}…{self._text[-4:]}"

    @property
    def environment(self) -> str:
        """``live`` or ``test``."""
        return self._text[5:9]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ApiKey):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"ApiKey({self.masked!r})"

    __str__ = __repr__

    def __copy__(self) -> ApiKey:
        return self

    def __deepcopy__(self, memo: object) -> ApiKey:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("An ApiKey is not pickled: a pickle would contain the whole key.")


def parse_key(text: str | None) -> ParsedKey:
    """Return the key that a caller passed, the error if it is invalid, or None.

    The error is returned and not raised, so that the caller can delete the text first: a traceback may show
    the arguments of every function in it.
    """
    if text is None:
        return None
    try:
        return ApiKey.parse(text)
    except InvalidKeyFormatError as error:
        return error.with_traceback(None)


def raise_if_invalid(given: K | InvalidKeyFormatError | None) -> K | None:
    """Return what ``parse_key`` returned, or raise an error: once the text of the key is deleted."""
    if isinstance(given, InvalidKeyFormatError):
        raise given
    return given


def maskable_forms(secret: str) -> tuple[str, str]:
    """Return the forms of a secret to mask: the digits of a key without its prefix, and the whole.

    The digits come first, so that the prefix stays and shows that a key was there.
    """
    return secret.removeprefix(PREFIXES[0]).removeprefix(PREFIXES[1]), secret


_seen: dict[bytes, tuple[str, int]] = {}
"""Of every key that this process has seen: a digest, its first letters and its length; never the key."""
_MOST_SEEN = 1000
_SHORTEST_SEEN = 8
_FIRST_LETTERS = 4


def note_secret(secret: str) -> None:
    """Have a key masked in every text of a service, from now on until the process ends.

    One of fewer than 8 characters could be a word, and is not noted. The last thousand count.
    """
    form = maskable_forms(secret)[0].lower()
    if len(form) < _SHORTEST_SEEN:
        return
    _seen[_digest(form)] = form[:_FIRST_LETTERS], len(form)
    if len(_seen) > _MOST_SEEN:
        _seen.pop(next(iter(_seen), b""), None)


def find_seen(text: str) -> list[tuple[int, int]]:
    """Return where keys that this process has seen are in a text, those of all services: start and end."""
    lower, found = text.lower(), []
    if len(lower) != len(text):
        # Some capitals become two letters; keys are ASCII.
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    for first, length in set(_seen.copy().values()):
        at = lower.find(first)
        while at >= 0:
            is_key = at + length <= len(lower) and _digest(lower[at : at + length]) in _seen
            if is_key:
                found.append((at, at + length))
            at = lower.find(first, at + (length if is_key else 1))
    return sorted(found)


def _digest(form: str) -> bytes:
    from hashlib import blake2b

    return blake2b(form.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def common_fault(text: str) -> str | None:
    """Return what is wrong with a text for a key of any service, without white space around it, or None."""
    if not text:
        return "it is empty"
    if REFERENCE in text:
        return "it refers to another variable (${…}), which is not expanded; write the key itself"
    return None


def _fault(text: str) -> str | None:
    fault = common_fault(text)
    if fault is not None:
        return fault
    prefix = next((known for known in PREFIXES if text.startswith(known)), None)
    if prefix is None:
        if text.lower().startswith("bearer "):
            return "it starts with 'Bearer '; give the key alone"
        return f"it starts with neither {PREFIXES[0]} nor {PREFIXES[1]} ({len(text)} characters)"
    digits = text[len(prefix) :]
    if len(digits) != HEX_LENGTH:
        return f"{prefix}… is followed by {len(digits)} characters, not {HEX_LENGTH}"
    if not _HEX.issuperset(digits):
        return f"{prefix}… is followed by a character that is not hexadecimal"
    return None
