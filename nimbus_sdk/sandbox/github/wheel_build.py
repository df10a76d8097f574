"""Builds the wheel of the core from its sources with hatchling, and reads what it requires."""

from __future__ import annotations

import shutil
import tempfile
from email.parser import HeaderParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.availability import unavailable_error


def build_wheel(source: Path, target: Path) -> None:
    """Build a copy of the project in ``source``; that folder is not changed.

    Args:
        source: A project whose build backend is hatchling.
        target: Folder for the wheel.

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
        # The builder would apply the ignore rules of a repository around the sources.
        copy = shutil.copytree(
            source,
            Path(folder, "core"),
            ignore=shutil.ignore_patterns("__pycache__", "dist", ".*"),
            copy_function=shutil.copyfile,
        )
        for _ in WheelBuilder(str(copy)).build(directory=str(target), versions=["standard"]):
            pass


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
    fields = ("Requires-Dist", "Requires-Python")
    return "\n".join(f"{field}: {value}" for field in fields for value in metadata.get_all(field, []))
