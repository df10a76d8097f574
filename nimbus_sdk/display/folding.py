"""Fold text into lines that fit a terminal, at spaces and behind the separators of paths."""

from __future__ import annotations

import re

# A command in backquotes is copied as a whole.
_WORD = re.compile(r"(\s*)(`[^`]*`\S*|\S+)")
_PATH_PART = re.compile(r"[^/\\]*[/\\]+|[^/\\]+")


def fold(text: str, width: int, indent: str = "") -> list[str]:
    """Return a text as lines of at most ``width`` characters; a word that is longer has a line of its own.

    Args:
        text: One line.
        width: Number of characters in a line.
        indent: What the second and all further lines begin with.

    Examples:
        >>> fold("the core is not installed", 13)
        ['the core is', 'not installed']
        >>> fold("in /srv/nimbus/core/0.1.0", 12)
        ['in /srv/', 'nimbus/core/', '0.1.0']
        >>> fold("Run `pip install numpy` once.", 14)
        ['Run', '`pip install numpy`', 'once.']
    """
    lines = [""]
    for gap, word in _WORD.findall(text):
        for part in _parts(word, width - len(indent)):
            if not lines[-1].strip() or len(lines[-1] + gap + part) <= width:
                lines[-1] += gap + part
            else:
                lines.append(indent + part)
            gap = ""
    return lines


def narrowest(text: str) -> int:
    """Return the width below which a text has lines that are longer.

    Examples:
        >>> narrowest("the core is not installed"), narrowest("/srv/nimbus"), narrowest("")
        (9, 6, 0)
    """
    return max((len(part) for _, word in _WORD.findall(text) for part in _parts(word, 0)), default=0)


def _parts(word: str, width: int) -> list[str]:
    """Return what must stay in one line: a word, or the parts of a long path."""
    return [word] if len(word) <= width or word.startswith("`") else _PATH_PART.findall(word)
