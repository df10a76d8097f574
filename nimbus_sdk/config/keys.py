"""The API key: the only form in which a key travels through the SDK.

Format (Nimbus API documentation): ``nbci_live_`` or ``nbci_test_`` and exactly 48 hexadecimal
characters. The documentation's own example has 52 and is refused.
"""

from __future__ import annotations

from nimbus_sdk.errors import InvalidKeyFormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias, TypeVar

    ParsedKey: TypeAlias = "ApiKey | InvalidKeyFormatError | None"
    K = TypeVar("K")

PREFIXES = ("nbci_live_", "nbci_test_")
HEX_LENGTH = 48
_HEX = frozenset("0123456789abcdefABCDEF")
# All that str.strip() takes for white space, spelt out so that quotes between two of them go too.
_WHITE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
PASTED_AROUND_A_KEY = f"{_WHITE}\ufeff\u200b\"'`"


class ApiKey:
    """A checked key that masks itself; ``reveal()`` is the one way out.

    Example:
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

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Check the text of a key and wrap it.

        Args:
            text: The key; white space, line breaks and quotes around it are dropped.

        Raises:
            InvalidKeyFormatError: It is not a key. The message tells lengths, never the text.
        """
        if not isinstance(text, str):
            raise InvalidKeyFormatError(
                f"This is not a Nimbus API key: it is no text ({type(text).__name__})."
            )
        stripped = text.strip(PASTED_AROUND_A_KEY)
        fault = _fault(stripped)
        if fault is not None:
            raise InvalidKeyFormatError(f"This is not a Nimbus API key: {fault}.")
        return cls(stripped)

    def reveal(self) -> str:
        """The whole key, for the one request header or body that carries it."""
        return self._text

    @property
    def masked(self) -> str:
        """What people may see: prefix, first four and last four characters."""
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
        raise TypeError("An ApiKey is not pickled: a pickle would carry the whole key.")


def parse_key(text: str | None) -> ParsedKey:
    """What a person handed over: a key, the fault with it, or nothing.

    The fault is returned and not raised, so that the caller can drop the text first: a traceback shows
    the arguments of every function that it passed through.

    Example:
        >>> parse_key(None), parse_key("nbci_test_" + "0" * 48)
        (None, ApiKey('nbci_test_0000…0000'))
    """
    if text is None:
        return None
    try:
        return ApiKey.parse(text)
    except InvalidKeyFormatError as error:
        return error.with_traceback(None)


def raise_if_invalid(given: K | InvalidKeyFormatError | None) -> K | None:
    """What :func:`parse_key`, or its like for another kind of key, gave, once the text is dropped.

    Raises:
        InvalidKeyFormatError: The text was no key.
    """
    if isinstance(given, InvalidKeyFormatError):
        raise given
    return given


def maskable_forms(secret: str) -> tuple[str, str]:
    """What gives a secret away: a key's digits without its prefix, and the whole.

    The digits come first: masked in this order, the prefix stays and tells people what stood there.
    """
    return secret.removeprefix(PREFIXES[0]).removeprefix(PREFIXES[1]), secret


def _fault(text: str) -> str | None:
    if not text:
        return "it is empty"
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
