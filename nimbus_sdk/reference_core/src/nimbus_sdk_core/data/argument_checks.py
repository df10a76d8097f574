"""Checks of single arguments: their class, a whole number, a positive number, a probability."""

from __future__ import annotations

import math
import operator
from typing import SupportsFloat, SupportsIndex

from ..errors import CoreDataError, CoreTypeError


def check_kind(name: str, value: object, kind: type, hint: str) -> None:
    """Raise CoreTypeError unless the argument ``name`` is an instance of ``kind``."""
    if not isinstance(value, kind):
        raise CoreTypeError(f"{name} is a {type(value).__name__}, not a {kind.__name__}.", hint)


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
    hint = "Give a finite number above zero."
    if isinstance(value, bool | str | bytes):
        raise CoreDataError(f"{name} is {value!r}, not a number.", hint)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise CoreDataError(f"{name} is {value!r}, not a number.", hint) from None
    if not (math.isfinite(number) and number > 0):
        raise CoreDataError(f"{name} is {number}.", hint)
    return number


def check_probability(name: str, value: SupportsFloat) -> float:
    """Return ``value`` as a float from 0 to 1, or raise CoreDataError naming ``name``."""
    hint = "Give a number from 0 to 1."
    if isinstance(value, bool | str | bytes):
        raise CoreDataError(f"{name} is {value!r}, not a number.", hint)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise CoreDataError(f"{name} is {value!r}, not a number.", hint) from None
    if not 0.0 <= number <= 1.0:
        raise CoreDataError(f"{name} is {number}.", hint)
    return number
