"""Text from elsewhere, made fit for a terminal."""

from __future__ import annotations

import re

_KEY = re.compile(
    r"(nbci_live_|nbci_test_)[0-9A-Za-z]{5,}"
    r"|\b(sk_live_|sk_test_|nos_|nai_|nxs_)[0-9A-Za-z_-]{8,}"
    r"|\b(eyJ)[0-9A-Za-z_-]{4,}(?:\.[0-9A-Za-z_-]*)*"
)
_WORD = re.compile(r"(?<![\w/.-])[0-9A-Za-z][0-9A-Za-z_.~+=-]{19,}")


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
    """Text in which no whole key is left, as far as keys can be told by their form; masked ones stay.

    Example:
        >>> keyless("nbci_live_0123456789 is not installed; nbci_live_a1b2…7890 is fine")
        'nbci_live_… is not installed; nbci_live_a1b2…7890 is fine'
        >>> keyless("eyJhbGciOi.eyJpbnRl.c2ln and nai_0123456789, of nimbus_lda_v2")
        'eyJ… and nai_…, of nimbus_lda_v2'
    """
    return _KEY.sub(lambda found: f"{found[1] or found[2] or found[3]}…", text)


def wary(text: str) -> str:
    """Text without keys, nor words of 20 letters and more with a digit in them: some keys have no form.

    Example:
        >>> wary("Got unexpected extra argument (0123456789abcdefghijklmn)")
        'Got unexpected extra argument (0123…klmn)'
        >>> wary("No such option: --a-name-that-is-long-and-has-no-digit (2 are meant)")
        'No such option: --a-name-that-is-long-and-has-no-digit (2 are meant)'
    """
    return _WORD.sub(_masked_if_key, keyless(text))


def _masked_if_key(word: re.Match[str]) -> str:
    has_digit = any(letter.isdigit() for letter in word[0])
    return f"{word[0][:4]}…{word[0][-4:]}" if has_digit else word[0]
