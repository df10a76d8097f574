"""Edits built wheels so that they stay valid: padding, tags, requirements."""

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


@dataclass(frozen=True, slots=True)
class WheelSpec:
    """The variant of the core's wheel to build.

    Attributes:
        version: The core's version; None takes that of its sources.
        padding: Bytes of incompressible filler.
        broken: Whether importing it fails.
        tag: Compatibility tag; None takes the builder's.
        requires: Requirements to add to the core's own.
        requires_python: Instead of the core's own, unless None.
    """

    version: str | None = None
    padding: int = 0
    broken: bool = False
    tag: str | None = None
    requires: tuple[str, ...] = ()
    requires_python: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the builder's wheel needs no edit."""
        return self == WheelSpec(version=self.version, broken=self.broken)


def edit_wheel(wheel: Path, target: Path, spec: WheelSpec) -> Path:
    """Write an edited copy of a wheel with a new RECORD.

    Args:
        wheel: The wheel to copy.
        target: Folder for the copy.
        spec: What to edit; ``padding`` adds a file of random bytes, the same each time, uncompressed.

    Returns:
        Path of the copy.
    """
    entries = _read(wheel)
    info = next(name for name in entries if name.endswith(".dist-info/METADATA")).rpartition("/")[0]
    entries[f"{info}/METADATA"] = _metadata(entries[f"{info}/METADATA"], spec)
    filename = wheel.name
    if spec.tag is not None:
        entries[f"{info}/WHEEL"] = _wheel_metadata(entries[f"{info}/WHEEL"], spec.tag)
        filename = f"{'-'.join(wheel.stem.split('-')[:2])}-{spec.tag}.whl"
    if spec.padding:
        entries[_PADDING_NAME] = random.Random(spec.padding).randbytes(spec.padding)  # noqa: S311  filler, not a secret
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


def _metadata(text: bytes, spec: WheelSpec) -> bytes:
    head, blank, description = text.decode().partition("\n\n")
    lines = head.splitlines()
    if spec.requires_python is not None:
        lines = [line for line in lines if not line.startswith("Requires-Python:")]
        lines.append(f"Requires-Python: {spec.requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in spec.requires]
    return ("\n".join(lines) + (blank or "\n") + description).encode()


def _wheel_metadata(text: bytes, tag: str) -> bytes:
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("Tag:")]
    expanded = sorted(f"Tag: {single}" for single in parse_tag(tag))
    return ("\n".join([*lines, *expanded]) + "\n").encode()


def _record_line(name: str, data: bytes) -> str:
    checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={checksum},{len(data)}"
