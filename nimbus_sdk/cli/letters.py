"""Text from elsewhere, made fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text whose control characters are shown and not obeyed: a server's name must not move the cursor.

    Example:
        >>> printable("Lab \\x1b[2J of J…")
        'Lab \\\\x1b[2J of J…'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
