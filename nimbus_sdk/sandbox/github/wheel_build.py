"""Builds wheels of the reference core from its sources, with hatchling."""

from __future__ import annotations

import re
import shutil
import tempfile
from email.parser import HeaderParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.availability import unavailable_error

_PROJECT_VERSION = re.compile(r'^version = "[^"]*"', re.MULTILINE)
_MODULE_VERSION = re.compile(r'^__version__ = "[^"]*"', re.MULTILINE)
_BROKEN = (
    '"""A core that cannot be loaded."""\n\nraise ImportError("This core was made to fail on import.")\n'
)


def build_wheel(source: Path, target: Path, *, version: str | None, broken: bool) -> Path:
    """Build a copy of the project in ``source``; that folder is not changed.

    Args:
        source: A project whose build backend is hatchling.
        target: Folder for the wheel.
        version: Version instead of the project's own, unless None.
        broken: Whether importing the package fails.

    Returns:
        Path of the wheel.

    Raises:
        ConfigurationError: hatchling is missing, or ``source`` is not a project.
    """
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ModuleNotFoundError as error:
        raise unavailable_error(error) from error
    if not (source / "pyproject.toml").is_file():
        raise ConfigurationError(f"No core can be built from {source}: it has no pyproject.toml.")
    with tempfile.TemporaryDirectory(prefix="nimbus-core-") as folder:
        copy = Path(folder, "core")
        ignored = shutil.ignore_patterns("__pycache__", "dist", ".*")
        # copyfile copies no permissions: the installed package may be read-only, the copy must not be.
        shutil.copytree(source, copy, ignore=ignored, copy_function=shutil.copyfile)
        if version is not None:
            _rewrite_version(copy, version)
        if broken:
            for package in copy.glob("**/nimbus_sdk_core/__init__.py"):
                package.write_text(_BROKEN + _version_line(package), encoding="utf-8")
        return Path(next(WheelBuilder(str(copy)).build(directory=str(target), versions=["standard"])))


def requirement_lines(wheel: Path) -> str:
    """Return the ``Requires-Dist`` and ``Requires-Python`` lines of a wheel, for the release notes.

    A file that is not a wheel has none.
    """
    try:
        with ZipFile(wheel) as archive:
            name = next((name for name in archive.namelist() if name.endswith(".dist-info/METADATA")), None)
            if name is None:
                return ""
            metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    except (BadZipFile, UnicodeDecodeError):
        return ""
    lines = [f"Requires-Dist: {value}" for value in metadata.get_all("Requires-Dist", [])]
    lines += [f"Requires-Python: {value}" for value in metadata.get_all("Requires-Python", [])]
    return "\n".join(lines)


def _rewrite_version(project: Path, version: str) -> None:
    build_file = project / "pyproject.toml"
    text = build_file.read_text(encoding="utf-8")
    build_file.write_text(_PROJECT_VERSION.sub(f'version = "{version}"', text, count=1), encoding="utf-8")
    for module in project.glob("**/*.py"):
        text = module.read_text(encoding="utf-8")
        changed = _MODULE_VERSION.sub(f'__version__ = "{version}"', text)
        if changed != text:
            module.write_text(changed, encoding="utf-8")


def _version_line(module: Path) -> str:
    # hatchling may read the version from this module.
    match = _MODULE_VERSION.search(module.read_text(encoding="utf-8"))
    return "" if match is None else f"{match[0]}\n"
