"""Checks of single arguments: their class, a whole number, a positive number, a probability."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from typing import SupportsFloat, SupportsIndex

from ..errors import CoreDataError, CoreTypeError

# As they are pronounced: an Epochs, an ndarray, an Xdawn, an LDA; a UserDict.
_STARTS_AS_A_VOWEL = re.compile(r"[AEIOaeio]|nd|X[a-z]|[FHLMNRSX][A-Z]")


def check_kind(name: str, value: object, kind: type, hint: str) -> None:
    """Raise CoreTypeError unless the argument ``name`` is an instance of ``kind``."""
    if not isinstance(value, kind):
        raise CoreTypeError(f"{name} is {describe_kind(value)}, not {_with_article(kind.__name__)}.", hint)


def describe_kind(value: object) -> str:
    """Return the name of the class of a value, with its article.

    >>> describe_kind(3), describe_kind("C3")
    ('an int', 'a str')
    """
    return _with_article(type(value).__name__)


def _with_article(name: str) -> str:
    return f"{'an' if _STARTS_AS_A_VOWEL.match(name) else 'a'} {name}"


def strip_stop(error: Exception) -> str:
    """Return the text of an error without a full stop at its end, to be a part of a sentence.

    >>> strip_stop(ValueError("Fit it first."))
    'Fit it first'
    """
    return str(error).rstrip(". \n")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise CoreDataError unless the argument ``name`` is one of ``choices``; the hint has the nearest."""
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise CoreDataError(f"{name} is {value!r}.", list_choices(value, known))


def list_choices(value: object, choices: Iterable[str]) -> str:
    """Return a hint that lists what can be given, after the one that ``value`` may have meant.

    >>> list_choices("Motor imagery", ["motor_imagery", "p300"])
    "Did you mean 'motor_imagery'? Use one of motor_imagery, p300."
    >>> list_choices("speech", ["motor_imagery", "p300"])
    'Use one of motor_imagery, p300.'
    """
    known = tuple(choices)
    near = find_near(value, known)
    listed = f"Use one of {', '.join(known)}."
    return listed if near is None else f"Did you mean {near!r}? {listed}"


def find_near(value: object, choices: Iterable[str]) -> str | None:
    """Return the choice that a text may have meant, or None.

    >>> find_near("lda", ["NimbusLDA", "NimbusQDA"]), find_near("Moter-Imagery", ["motor_imagery", "p300"])
    ('NimbusLDA', 'motor_imagery')
    """
    known = tuple(choices)
    near = find_similar(value, known, 0.65)
    if near is None and isinstance(value, str) and len(value) > 2:
        given = _letters(value)
        parts = [choice for choice in known if given in _letters(choice) or _letters(choice) in given]
        near = parts[0] if len(parts) == 1 else None
    return near


def find_similar(value: object, choices: Iterable[str], least: float) -> str | None:
    """Return the choice whose letters are most similar to those of a text, or None.

    Capitals, spaces, hyphens and underscores do not count.

    Args:
        value: What was given.
        choices: What could have been given.
        least: From 0 to 1, how similar they must be: ``difflib.SequenceMatcher.ratio``.
    """
    # Only a wrong argument needs it, and it doubles the cost of importing this module.
    from difflib import get_close_matches

    letters = {_letters(choice): choice for choice in choices}
    near = get_close_matches(_letters(value), letters, n=1, cutoff=least) if isinstance(value, str) else []
    return letters[near[0]] if near else None


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def is_instance_of(value: object, library: str, kind: str) -> bool:
    """Whether a class of ``value`` has this name and belongs to this library, which is not imported.

    Asking the class and not the library's module is safe while another thread is still importing that.

    >>> from fractions import Fraction
    >>> is_instance_of(Fraction(1, 2), "fractions", "Fraction"), is_instance_of(0.5, "fractions", "Fraction")
    (True, False)
    """
    return any(
        base.__name__ == kind and f"{base.__module__}.".startswith(f"{library}.")
        for base in type(value).__mro__
    )


def check_whole_number(name: str, value: SupportsIndex, *, least: int, most: int) -> int:
    """Return ``value`` as an int from ``least`` to ``most``, or raise CoreDataError naming ``name``."""
    hint = f"Give a whole number from {least} to {most}."
    if isinstance(value, bool):
        raise CoreDataError(f"{name} is {value}, a truth value.", hint)
    try:
        number = operator.index(value)
    except TypeError:
        raise CoreDataError(f"{name} is {value!r}, not a whole number.", hint) from None
    if not least <= number <= most:
        raise CoreDataError(f"{name} is {number}.", hint)
    return number


def check_positive_number(name: str, value: SupportsFloat) -> float:
    """Return ``value`` as a finite float above zero, or raise CoreDataError naming ``name``."""
    return _check_number(name, value, "Give a finite number above zero.", lambda x: 0.0 < x < math.inf)


def check_limit(name: str, value: SupportsFloat) -> float:
    """Return ``value`` as a float above zero, or infinity, or raise CoreDataError naming ``name``."""
    return _check_number(name, value, "Give a number above zero.", lambda x: x > 0.0)


def check_duration(name: str, value: SupportsFloat) -> float:
    """Return ``value`` as a finite float from zero up, or raise CoreDataError naming ``name``."""
    return _check_number(name, value, "Give a number of seconds from 0 up.", lambda x: 0.0 <= x < math.inf)


def check_probability(name: str, value: SupportsFloat) -> float:
    """Return ``value`` as a float from 0 to 1, or raise CoreDataError naming ``name``."""
    return _check_number(name, value, "Give a number from 0 to 1.", lambda x: 0.0 <= x <= 1.0)


def _check_number(name: str, value: SupportsFloat, hint: str, is_valid: Callable[[float], bool]) -> float:
    if isinstance(value, bool | str | bytes):
        raise CoreDataError(f"{name} is {value!r}, not a number.", hint)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise CoreDataError(f"{name} is {value!r}, not a number.", hint) from None
    if not is_valid(number):
        raise CoreDataError(f"{name} is {number}.", hint)
    return number
