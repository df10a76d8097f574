"""Parse untrusted versions and requirements with packaging, within limits.

Brackets nested a thousand deep exceed its recursion, and numbers of thousands of digits Python's conversion;
packaging raises no error of its own for either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

T = TypeVar("T")

MAX_CHARACTERS = 2_000


def version(text: str) -> Version | None:
    """Parse a version (PEP 440); return None if the text is not one.

    Example:
        >>> version("v1.2"), version("1." + "9" * 5000)
        (<Version('1.2')>, None)
    """
    from packaging.version import Version

    return _parse(Version, text)


def requirement(text: str) -> Requirement | None:
    """Parse a requirement (PEP 508); return None if the text is not one.

    Example:
        >>> str(requirement("numpy >= 1.26")), requirement("numpy; " + "(" * 1500)
        ('numpy>=1.26', None)
    """
    from packaging.requirements import Requirement

    return _parse(Requirement, text)


def specifiers(text: str) -> SpecifierSet | None:
    """Parse a set of versions, such as ``>=3.11``; return None if the text is not one."""
    from packaging.specifiers import SpecifierSet

    return _parse(SpecifierSet, text)


def _parse(kind: Callable[[str], T], text: str) -> T | None:
    if len(text) > MAX_CHARACTERS:
        return None
    try:
        return kind(text)
    except (ValueError, RecursionError):
        return None
