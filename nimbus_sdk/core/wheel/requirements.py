"""Check what a core requires of this environment, and name the command that installs what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk.errors import ConfigurationError, CoreIncompatibleError
from nimbus_sdk.errors.python_environment import install_hint

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.tags import Tag
    from packaging.version import Version

T = TypeVar("T")

MAX_CHARACTERS = 2_000
UNKNOWN = "unknown"
"""The version of a module that can be imported and does not name one."""

_MODULE_NAMES = {"scikit-learn": "sklearn"}


def parse_version(text: str) -> Version | None:
    """Parse a version (PEP 440); return None if the text is not one.

    Examples:
        >>> parse_version("v1.2"), parse_version("1." + "9" * 5000)
        (<Version('1.2')>, None)
    """
    from packaging.version import Version

    return _parse(Version, text)


def version_of(text: str) -> Version:
    """Parse a version of the core that a user named."""
    version = parse_version(text)
    if version is None:
        raise ConfigurationError(
            f"{text[:80]!r} is not a version of the core.", hint="Write it like 1.2.0, or omit it."
        )
    return version


def parse_requirement(text: str) -> Requirement | None:
    """Parse a requirement (PEP 508); return None if the text is not one.

    Examples:
        >>> str(parse_requirement("numpy >= 1.26")), parse_requirement("numpy; " + "(" * 1500)
        ('numpy>=1.26', None)
    """
    from packaging.requirements import Requirement

    return _parse(Requirement, text)


def parse_specifiers(text: str) -> SpecifierSet | None:
    """Parse a set of versions, such as ``>=3.11``; return None if the text is not one."""
    from packaging.specifiers import SpecifierSet

    return _parse(SpecifierSet, text)


def missing_requirements(requires: Iterable[str]) -> dict[str, str]:
    """Return the requirements (PEP 508) that are not met here, as pip takes them, and what is found of each.

    What can be imported counts, with or without metadata of its distribution.

    Examples:
        >>> missing_requirements(["packaging>=1", "no-such-thing[fast]>=2; python_version > '3'"])
        {'no-such-thing[fast]>=2': 'not installed'}
    """
    seen: set[str] = set()
    missing: dict[str, str] = {}
    for line in requires:
        requirement = parse_requirement(line)
        if requirement is None:
            raise _invalid_requirement(line)
        missing.update(_unmet(requirement, seen))
    return missing


def require_environment(requires: Iterable[str], requires_python: str | None = None) -> None:
    """Make sure that a core can run here: its requirements, and versions of Python such as ``>=3.11``."""
    if requires_python is not None:
        running = "{}.{}.{}".format(*sys.version_info[:3])
        wanted = parse_specifiers(requires_python)
        if wanted is None:
            raise CoreIncompatibleError(
                f"The core has an invalid Requires-Python: {requires_python[:120]!r}."
            )
        if not wanted.contains(running, prereleases=True):
            raise CoreIncompatibleError(
                f"The core needs Python {requires_python}; this is {running} ({sys.executable}).",
                hint="Run it with such a Python, or install another version of the core.",
            )
    missing = missing_requirements(requires)
    if missing:
        details = ", ".join(f"{line} ({state})" for line, state in missing.items())
        raise CoreIncompatibleError(
            f"The core requires packages that are missing here: {details}.",
            hint=install_hint(missing),
        )


def interpreter(tag: str) -> str:
    """Describe the running interpreter, as far as it decides whether a wheel with this tag fits."""
    name = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    if tag.endswith("-any"):
        return name
    from sysconfig import get_platform

    return f"{name}-{get_platform()}"


def require_interpreter(tag: str, installed_for: str, requires_python: str | None) -> None:
    """Make sure that an installed core fits the running interpreter."""
    if interpreter(tag) == installed_for:
        return
    from packaging.tags import parse_tag

    try:
        tags = parse_tag(tag)
    except ValueError:
        tags = frozenset()
    if tags.isdisjoint(supported_tags()):
        raise CoreIncompatibleError(
            f"The installed core is for {tag}, which this interpreter ({interpreter(tag)}) is not.",
            hint="Run `nimbus-sdk install --force` with this interpreter, or use the other one.",
        )
    require_environment((), requires_python)


@cache
def supported_tags() -> dict[Tag, int]:
    """Return the wheel tags that fit the running interpreter, each with its rank (0: fits best)."""
    from packaging.tags import sys_tags

    return {tag: rank for rank, tag in enumerate(sys_tags())}


def _parse(kind: Callable[[str], T], text: str) -> T | None:
    """Parse an untrusted text; packaging does not catch what nested brackets and long numbers raise."""
    if len(text) <= MAX_CHARACTERS:
        with suppress(ValueError, RecursionError):
            return kind(text)
    return None


def _invalid_requirement(line: str) -> CoreIncompatibleError:
    return CoreIncompatibleError(f"The core has an invalid requirement: {line[:120]!r}.")


def _unmet(requirement: Requirement, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the requirement itself if it is missing, else the missing requirements of its extras."""
    applies = _applies(requirement, "")
    if applies is None:
        raise _invalid_requirement(str(requirement))
    if not applies:
        return
    found = _installed_version(requirement.name)
    if found is None:
        found = _importable_version(requirement.name)
    extras = sorted(requirement.extras)
    if not _is_met(requirement.specifier, found):
        source = f" @ {requirement.url}" if requirement.url else ""
        listed = f"[{','.join(extras)}]" if extras else ""
        state = "not installed" if found is None else f"found {found}"
        yield f"{requirement.name}{listed}{requirement.specifier}{source}", state
        return
    for extra in extras:
        for further in _extra_requirements(requirement.name, extra):
            if str(further) not in seen:
                seen.add(str(further))
                further.marker = None
                yield from _unmet(further, seen)


def _is_met(specifier: SpecifierSet, found: str | None) -> bool:
    if found == UNKNOWN:
        # The test whether the core loads decides.
        return True
    installed = parse_version(found or "")
    return installed is not None and specifier.contains(installed, prereleases=True)


def _applies(requirement: Requirement, extra: str) -> bool | None:
    """Return whether a requirement applies here, or None if its marker cannot be evaluated."""
    try:
        return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
    except (ValueError, KeyError):
        # One of the two is the base of each error that a version of packaging raises here.
        return None


def _extra_requirements(name: str, extra: str) -> list[Requirement]:
    """Return the requirements of an extra of an installed package; its invalid lines are ignored."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        declared = requires(name) or ()
    except PackageNotFoundError:
        return []
    lines = [found for line in declared if (found := parse_requirement(line)) is not None]
    return [line for line in lines if _applies(line, extra) and _applies(line, "") is False]


def _installed_version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, metadata

    with suppress(PackageNotFoundError, FileNotFoundError):
        found = metadata(name)
        # A folder left over from a broken uninstall has metadata without one.
        if "Version" in found:
            return found["Version"]
    return None


def _importable_version(name: str) -> str | None:
    """Return the version of a module without metadata (vendored, frozen, Bazel), or None if there is none."""
    from importlib import import_module
    from importlib.util import find_spec

    module_name = _MODULE_NAMES.get(name.lower()) or name.replace("-", "_").replace(".", "_")
    try:
        if module_name not in sys.modules:
            spec = find_spec(module_name)
            # A folder of that name in the working directory is not a module, and has no origin.
            if spec is None or spec.origin is None:
                return None
        version = getattr(import_module(module_name), "__version__", UNKNOWN)
    except Exception:  # noqa: BLE001 - whatever it raises, it cannot be imported
        return None
    return version if isinstance(version, str) else UNKNOWN
