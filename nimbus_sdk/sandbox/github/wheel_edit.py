"""Changes to a built wheel that keep it a valid one: more bytes, other tags, other requirements."""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from packaging.tags import parse_tag

_PADDING_NAME = "nimbus_sdk_core/_padding.bin"
_FIXED_DATE = (2020, 2, 2, 0, 0, 0)


def repack(wheel: Path, target: Path, recipe: Recipe) -> Path:
    """Write a changed copy of a wheel, its RECORD made anew.

    Args:
        wheel: The wheel to start from.
        target: Folder that gets the copy.
        recipe: Its ``padding`` is a data file of random bytes, the same ones each time, stored as they are.

    Returns:
        The copy's path.
    """
    entries = _read(wheel)
    info = next(name for name in entries if name.endswith(".dist-info/METADATA")).rpartition("/")[0]
    entries[f"{info}/METADATA"] = _metadata(entries[f"{info}/METADATA"], recipe)
    filename = wheel.name
    if recipe.tag is not None:
        entries[f"{info}/WHEEL"] = _wheel_file(entries[f"{info}/WHEEL"], recipe.tag)
        filename = f"{'-'.join(wheel.stem.split('-')[:2])}-{recipe.tag}.whl"
    if recipe.padding:
        entries[_PADDING_NAME] = random.Random(recipe.padding).randbytes(recipe.padding)  # noqa: S311  filler, not a secret
    record = f"{info}/RECORD"
    entries.pop(record)
    lines = [_record_line(name, data) for name, data in entries.items()]
    entries[record] = ("\n".join([*lines, f"{record},,"]) + "\n").encode()
    copy = target / filename
    with ZipFile(copy, "w") as archive:
        for name, data in entries.items():
            method = ZIP_STORED if name == _PADDING_NAME else ZIP_DEFLATED
            archive.writestr(_entry(name), data, compress_type=method)
    return copy


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, _FIXED_DATE)
    entry.external_attr = 0o100644 << 16
    return entry


def _read(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def _metadata(text: bytes, recipe: Recipe) -> bytes:
    head, blank, description = text.decode().partition("\n\n")
    lines = head.splitlines()
    if recipe.requires_python is not None:
        lines = [line for line in lines if not line.startswith("Requires-Python:")]
        lines.append(f"Requires-Python: {recipe.requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in recipe.requires]
    return ("\n".join(lines) + (blank or "\n") + description).encode()


def _wheel_file(text: bytes, tag: str) -> bytes:
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("Tag:")]
    expanded = sorted(f"Tag: {single}" for single in parse_tag(tag))
    return ("\n".join([*lines, *expanded]) + "\n").encode()


def _record_line(name: str, data: bytes) -> str:
    checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={checksum},{len(data)}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What kind of wheel is wanted.

    Attributes:
        version: The core's version; None takes the one its sources tell.
        padding: Bytes of incompressible filler.
        broken: Whether importing it fails.
        tag: Compatibility tag; None takes the builder's.
        requires: Requirements to add to the core's own.
        requires_python: In place of the core's own; None keeps that.
    """

    version: str | None = None
    padding: int = 0
    broken: bool = False
    tag: str | None = None
    requires: tuple[str, ...] = ()
    requires_python: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the wheel as the builder makes it will do."""
        return self == Recipe(version=self.version, broken=self.broken)
