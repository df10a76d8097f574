"""Text in which what is secret cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "…"


def masked(text: str, secrets: Iterable[str]) -> str:
    """Text with these values masked wherever they stand, in capitals or not: hexadecimal digits are neither.

    Example:
        >>> masked("the horse BATTERY staple", ["battery", ""])
        'the horse … staple'
    """
    for secret in filter(None, secrets):
        text = re.sub(re.escape(secret), MASK, text, flags=re.IGNORECASE)
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
