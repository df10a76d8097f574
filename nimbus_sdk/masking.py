"""Text in which what is secret cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase

MASK = "…"
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Text with these values masked wherever they stand, in capitals or not: hexadecimal digits are neither.

    Example:
        >>> masked("the horse BATTERY staple", ["battery", ""])
        'the horse … staple'
    """
    for secret in filter(None, secrets):
        # By hand: re keeps its patterns, and with them the secret, long after the call.
        wanted, small = secret.translate(_SMALL), text.translate(_SMALL)
        pieces, start = [], 0
        while (at := small.find(wanted, start)) >= 0:
            pieces += [text[start:at], MASK]
            start = at + len(wanted)
        text = "".join([*pieces, text[start:]])
    return text


def visible(text: str) -> str:
    """Text without what nobody sees; white space stays.

    Example:
        >>> visible("to\\u200bgether")
        'together'
    """
    if text.isprintable():
        return text
    return "".join(sign for sign in text if sign.isprintable() or sign.isspace())
