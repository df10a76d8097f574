"""Suggestions for misspelt words: what may have been meant, and what can be given."""

from __future__ import annotations

from collections.abc import Iterable


def find_near(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a word may have meant, or None.

    Capitals, spaces, hyphens and underscores do not count; a part of one choice alone means that choice.

    Examples:
        >>> find_near("Motor-Imagry", ["motor_imagery", "p300"]), find_near("lda", ["NimbusLDA", "NimbusQDA"])
        ('motor_imagery', 'NimbusLDA')
    """
    # Imported for a wrong word only: it doubles the cost of a start without network.
    from difflib import get_close_matches

    letters = {_letters(choice): choice for choice in choices}
    given = _letters(word)
    near = get_close_matches(given, letters, n=1, cutoff=0.65)
    if not near and len(given) > 2:
        near = [choice for choice in letters if given in choice or choice in given]
    return letters[near[0]] if len(near) == 1 else None


def list_choices(word: object, choices: Iterable[str]) -> str:
    """Return a hint that lists what can be given, after what the word may have meant.

    Examples:
        >>> list_choices("Streeming", ["batch_inference", "streaming"])
        "Did you mean 'streaming'? Use one of batch_inference, streaming."
        >>> list_choices(7, ["live", "test"])
        'Use one of live, test.'
    """
    known = tuple(choices)
    near = find_near(word, known) if isinstance(word, str) else None
    listed = f"Use one of {', '.join(known)}."
    return listed if near is None else f"Did you mean {near!r}? {listed}"


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
