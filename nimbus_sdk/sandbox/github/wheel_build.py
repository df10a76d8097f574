"""Real wheels of the reference core, built from its sources by hatchling."""

from __future__ import annotations

import re
import shutil
import tempfile
from email.parser import HeaderParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.availability import unavailable

_PROJECT_VERSION = re.compile(r'^version = "[^"]*"', re.MULTILINE)
_MODULE_VERSION = re.compile(r'^__version__ = "[^"]*"', re.MULTILINE)
_BROKEN = (
    '"""A core that cannot be loaded."""\n\nraise ImportError("This core was made to fail on import.")\n'
)


def build_wheel(source: Path, target: Path, *, version: str | None, broken: bool) -> Path:
    """Build the project in ``source``, from a copy, and leave that folder as it is.

    Args:
        source: A project whose build backend is hatchling.
        target: Folder that gets the wheel.
        version: Version to give it in place of its own; None keeps that.
        broken: Whether the package is to raise ImportError on import.

    Returns:
        The wheel's path.

    Raises:
        ConfigurationError: hatchling is missing, or ``source`` is no project.
    """
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ModuleNotFoundError as fault:
        raise unavailable(fault) from fault
    if not (source / "pyproject.toml").is_file():
        raise ConfigurationError(f"{source} holds no pyproject.toml, so no core can be built from it.")
    with tempfile.TemporaryDirectory(prefix="nimbus-core-") as folder:
        copy = Path(folder, "core")
        ignored = shutil.ignore_patterns("__pycache__", "dist", ".*")
        # Contents alone: the installed package may be read-only, the copy must not be.
        shutil.copytree(source, copy, ignore=ignored, copy_function=shutil.copyfile)
        if version is not None:
            _rewrite_version(copy, version)
        if broken:
            for package in copy.glob("**/nimbus_sdk_core/__init__.py"):
                package.write_text(_BROKEN + _version_line(package), encoding="utf-8")
        return Path(next(WheelBuilder(str(copy)).build(directory=str(target), versions=["standard"])))


def requirement_lines(wheel: Path) -> str:
    """``Requires-Dist`` and ``Requires-Python`` lines of a wheel, as the release notes carry them.

    A file that is no wheel has none.
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
    # hatchling may read the version out of this very module.
    found = _MODULE_VERSION.search(module.read_text(encoding="utf-8"))
    return "" if found is None else f"{found[0]}\n"
