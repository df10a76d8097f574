"""Check what a core requires of this environment, and name the pip command that installs what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nimbus_sdk.core.wheel import pep_parsing
from nimbus_sdk.errors import CoreIncompatibleError

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def missing_requirements(requires: Iterable[str]) -> tuple[str, ...]:
    """Return the requirements that this environment does not meet, ready for pip.

    Args:
        requires: Lines as in ``Requires-Dist`` of a wheel (PEP 508); environment markers are evaluated.

    Raises:
        CoreIncompatibleError: A line is not a requirement.

    Example:
        >>> missing_requirements(["packaging>=1", "no-such-thing[fast]>=2; python_version > '3'"])
        ('no-such-thing[fast]>=2',)
    """
    seen: set[str] = set()
    return tuple(
        dict.fromkeys(_for_pip(missing) for line in requires for missing in _unmet(_requirement(line), seen))
    )


def require_environment(requires: Iterable[str], requires_python: str | None = None) -> None:
    """Make sure that a core can run here.

    Args:
        requires: Its requirements.
        requires_python: The versions of Python it runs on, such as ``>=3.11``; None for any.

    Raises:
        CoreIncompatibleError: Something is missing; the message names all of it and the command to run.
    """
    running = "{}.{}.{}".format(*sys.version_info[:3])
    if requires_python is not None and not _runs_on(running, requires_python):
        raise CoreIncompatibleError(
            f"The core needs Python {requires_python}; this is {running} ({sys.executable}).",
            hint="Run it with such a Python, or install another version of the core.",
        )
    missing = missing_requirements(requires)
    if missing:
        details = ", ".join(f"{line} ({_present(_requirement(line))})" for line in missing)
        raise CoreIncompatibleError(
            f"The core requires packages that are missing here: {details}.",
            hint=f"Run `{pip_command(missing)}`, then try again.",
        )


def interpreter(tag: str) -> str:
    """Describe the running interpreter, as far as it decides whether a wheel with this tag fits.

    Args:
        tag: Python, ABI and platform, such as ``py3-none-any``.
    """
    name = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    if tag.endswith("-any"):
        return name
    from sysconfig import get_platform

    return f"{name}-{get_platform()}"


def require_interpreter(tag: str, installed_for: str, requires_python: str | None) -> None:
    """Make sure that an installed core fits the running interpreter.

    The tags are compared only if the interpreter is not the one that the core was installed for.

    Args:
        tag: Tag of the core's wheel.
        installed_for: What :func:`interpreter` returned when it was installed.
        requires_python: The versions of Python it runs on, or None for any.

    Raises:
        CoreIncompatibleError: It does not fit.
    """
    if interpreter(tag) == installed_for:
        return
    from packaging.tags import InvalidTag, parse_tag, sys_tags

    try:
        tags = parse_tag(tag)
    except InvalidTag:
        tags = frozenset()
    if tags.isdisjoint(sys_tags()):
        raise CoreIncompatibleError(
            f"The installed core is for {tag}, which this interpreter ({interpreter(tag)}) is not.",
            hint="Run `nimbus-sdk install --force` with this interpreter, or use the other one.",
        )
    require_environment((), requires_python)


def pip_command(requirements: Iterable[str]) -> str:
    """Return the command that installs requirements into the running environment.

    Example:
        >>> pip_command(["numpy>=1.26"]).endswith(' -m pip install "numpy>=1.26"')
        True
    """
    python = sys.executable or "python"
    quoted = [_quoted(line) for line in requirements]
    return " ".join([f'"{python}"' if " " in python else python, "-m pip install", *quoted])


def _quoted(line: str) -> str:
    """Quote for any shell: with double quotes if possible, since Windows knows no others."""
    if set(line) & set('"$`\\'):
        from shlex import quote

        return quote(line)
    return f'"{line}"'


def _requirement(line: str) -> Requirement:
    requirement = pep_parsing.requirement(line)
    if requirement is None:
        raise _invalid_requirement(line)
    return requirement


def _invalid_requirement(line: str) -> CoreIncompatibleError:
    return CoreIncompatibleError(f"The core has an invalid requirement: {line[:120]!r}.")


def _runs_on(running: str, requires_python: str) -> bool:
    wanted = pep_parsing.specifiers(requires_python)
    if wanted is None:
        raise CoreIncompatibleError(f"The core has an invalid Requires-Python: {requires_python[:120]!r}.")
    return wanted.contains(running, prereleases=True)


def _unmet(requirement: Requirement, seen: set[str]) -> list[Requirement]:
    """Return the requirement itself if it is missing, else the missing requirements of its extras."""
    if not _applies(requirement, ""):
        return []
    if not _is_met(requirement):
        return [requirement]
    missing = []
    for extra in sorted(requirement.extras):
        for further in _extra_requirements(requirement.name, extra):
            if str(further) not in seen:
                seen.add(str(further))
                further.marker = None
                missing += _unmet(further, seen)
    return missing


def _applies(requirement: Requirement, extra: str) -> bool:
    applies = _evaluate(requirement, extra)
    if applies is None:
        raise _invalid_requirement(str(requirement))
    return applies


def _evaluate(requirement: Requirement, extra: str) -> bool | None:
    """Return whether a requirement applies here, or None if its marker cannot be evaluated."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    if requirement.marker is None:
        return True
    try:
        return requirement.marker.evaluate({"extra": extra})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return None


def _extra_requirements(name: str, extra: str) -> list[Requirement]:
    """Return the requirements of an extra of an installed package; its invalid lines are ignored."""
    from importlib.metadata import requires

    lines = [found for line in requires(name) or () if (found := pep_parsing.requirement(line)) is not None]
    return [line for line in lines if _evaluate(line, extra) and _evaluate(line, "") is False]


def _is_met(requirement: Requirement) -> bool:
    installed = pep_parsing.version(_installed_version(requirement.name) or "")
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)


def _installed_version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        found = metadata(name)
    except (PackageNotFoundError, FileNotFoundError):
        return None
    if "Version" not in found:
        # A folder left over from a broken uninstall has metadata without one.
        return None
    return found["Version"]


def _present(requirement: Requirement) -> str:
    found = _installed_version(requirement.name)
    return "not installed" if found is None else f"found {found}"


def _for_pip(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    source = f" @ {requirement.url}" if requirement.url else ""
    return f"{requirement.name}{extras}{requirement.specifier}{source}"
