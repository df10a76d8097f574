"""Versions and requirements that strangers wrote: read by packaging, in bounds that it does not set itself.

Brackets a thousand deep exhaust its recursion, and numbers of thousands of digits Python's own conversion;
neither ends in an error of packaging's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

T = TypeVar("T")

MOST_LETTERS = 2_000


def version(text: str) -> Version | None:
    """The version that a text is (PEP 440), or None where it is none.

    Example:
        >>> version("v1.2"), version("1." + "9" * 5000)
        (<Version('1.2')>, None)
    """
    from packaging.version import Version

    return _read(Version, text)


def requirement(text: str) -> Requirement | None:
    """The requirement that a text is (PEP 508), or None where it is none.

    Example:
        >>> str(requirement("numpy >= 1.26")), requirement("numpy; " + "(" * 1500)
        ('numpy>=1.26', None)
    """
    from packaging.requirements import Requirement

    return _read(Requirement, text)


def specifiers(text: str) -> SpecifierSet | None:
    """The set of versions that a text describes, such as ``>=3.11``, or None where it describes none."""
    from packaging.specifiers import SpecifierSet

    return _read(SpecifierSet, text)


def _read(kind: Callable[[str], T], text: str) -> T | None:
    if len(text) > MOST_LETTERS:
        return None
    try:
        return kind(text)
    except (ValueError, RecursionError):
        return None
