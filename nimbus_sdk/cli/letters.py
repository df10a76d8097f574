"""Text from elsewhere, made fit for a terminal."""

from __future__ import annotations

import re

_KEY = re.compile(r"nbci_(live|test)_[0-9A-Za-z]{5,}")


def printable(text: str) -> str:
    """Text whose control characters are shown and not obeyed: a server's name must not move the cursor.

    Example:
        >>> printable("Lab \\x1b[2J of J…")
        'Lab \\\\x1b[2J of J…'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def keyless(text: str) -> str:
    """Text in which no whole key is left; masked ones stay as they are.

    Example:
        >>> keyless("nbci_live_0123456789 is not installed; nbci_live_a1b2…7890 is fine")
        'nbci_live_… is not installed; nbci_live_a1b2…7890 is fine'
    """
    return _KEY.sub(r"nbci_\1_…", text)
