"""Publishes releases of the reference core, from recipes or from wheels that exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.version import Version

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.github.releases import Draft
from nimbus_sdk.sandbox.github.wheel_cache import Workshop
from nimbus_sdk.sandbox.github.wheel_edit import Recipe


class OrderFields(TypedDict, total=False):
    """The fields of :class:`Order` but its version, as keyword arguments."""

    padding: int
    broken: bool
    digest: bool
    sums: bool
    tags: Sequence[str]
    requires: Sequence[str]
    requires_python: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A release that is wanted.

    Attributes:
        version: The core's version.
        padding: Bytes of incompressible filler in its wheels.
        broken: Whether importing it fails.
        digest: Whether the assets' JSON tells their SHA-256.
        sums: Whether a ``SHA256SUMS`` asset is added.
        tags: Compatibility tags, one wheel each; empty takes the builder's own.
        requires: Requirements to add to the core's own.
        requires_python: In place of the core's own; None keeps that.
    """

    version: str
    padding: int = 0
    broken: bool = False
    digest: bool = True
    sums: bool = True
    tags: Sequence[str] = ()
    requires: Sequence[str] = ()
    requires_python: str | None = None

    def __post_init__(self) -> None:
        try:
            Version(self.version)
            for tag in self.tags:
                parse_tag(tag)
            for requirement in self.requires:
                Requirement(requirement)
            if self.requires_python is not None:
                SpecifierSet(self.requires_python)
            if self.padding < 0:
                raise ValueError("padding below 0")
        except (ValueError, TypeError) as fault:
            raise ConfigurationError(f"The sandbox cannot release such a core: {fault}.") from fault

    def draft(self, workshop: Workshop) -> Draft:
        """Build its wheels."""
        recipe = Recipe(
            version=self.version,
            padding=self.padding,
            broken=self.broken,
            requires=tuple(self.requires),
            requires_python=self.requires_python,
        )
        wheels = tuple(workshop.wheel(replace(recipe, tag=tag)) for tag in self.tags or (None,))
        return Draft(self.version, wheels, self.digest, self.sums)


def draft_of_wheel(wheel: Path, *, digest: bool = True, sums: bool = True) -> Draft:
    """A release of one wheel as it is, whole or not.

    Raises:
        ConfigurationError: There is no such file, or its name tells no version.
    """
    parts = wheel.name.split("-")
    if not wheel.is_file() or len(parts) < 5 or wheel.suffix != ".whl":
        raise ConfigurationError(
            f"{wheel} is not a wheel.", hint="Name a file such as nimbus_sdk_core-1.0-py3-none-any.whl."
        )
    return Draft(parts[1], (wheel,), digest, sums)


def first_draft(workshop: Workshop) -> Draft:
    """The release of the reference core as its sources stand."""
    return draft_of_wheel(workshop.wheel(Recipe()))
