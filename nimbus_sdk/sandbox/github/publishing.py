"""Drafts releases of the core, from its sources or from an existing wheel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.version import Version

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.github.releases import Draft
from nimbus_sdk.sandbox.github.wheel_cache import WheelCache
from nimbus_sdk.sandbox.github.wheel_edit import WheelSpec


class PublishOptions(TypedDict, total=False):
    """The keyword arguments of :func:`draft_release`."""

    padding: int
    broken: bool
    digest: bool
    sums: bool
    tags: Sequence[str]
    requires: Sequence[str]
    requires_python: str | None


def draft_release(
    cache: WheelCache,
    version: str = "0.2.0",
    *,
    padding: int = 0,
    broken: bool = False,
    digest: bool = True,
    sums: bool = True,
    tags: Sequence[str] = (),
    requires: Sequence[str] = (),
    requires_python: str | None = None,
) -> Draft:
    """Build the wheels of a release.

    Args:
        cache: Builds the wheels.
        version: The core's version.
        padding: Bytes of incompressible filler in its wheels.
        broken: Whether importing the core fails.
        digest: Whether the assets' JSON has their SHA-256.
        sums: Whether to add a ``SHA256SUMS`` asset.
        tags: Compatibility tags, one wheel each; empty takes the builder's own.
        requires: Requirements to add to the core's own.
        requires_python: Instead of the core's own, unless None.

    Raises:
        ConfigurationError: An argument is invalid.
    """
    try:
        Version(version)
        for tag in tags:
            parse_tag(tag)
        for requirement in requires:
            Requirement(requirement)
        if requires_python is not None:
            SpecifierSet(requires_python)
        if padding < 0:
            raise ValueError("padding below 0")
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"The sandbox cannot release such a core: {error}.") from error
    spec = WheelSpec(
        version=version,
        padding=padding,
        broken=broken,
        requires=tuple(requires),
        requires_python=requires_python,
    )
    wheels = tuple(cache.wheel(replace(spec, tag=tag)) for tag in tags or (None,))
    return Draft(version, wheels, digest, sums)


def draft_from_wheel(wheel: Path, *, digest: bool = True, sums: bool = True) -> Draft:
    """Return a release of one wheel as it is, valid or not.

    Raises:
        ConfigurationError: There is no such file, or its name has no version.
    """
    parts = wheel.name.split("-")
    if not wheel.is_file() or len(parts) < 5 or wheel.suffix != ".whl":
        raise ConfigurationError(
            f"{wheel} is not a wheel.", hint="Give a file such as nimbus_sdk_core-1.0-py3-none-any.whl."
        )
    return Draft(parts[1], (wheel,), digest, sums)
