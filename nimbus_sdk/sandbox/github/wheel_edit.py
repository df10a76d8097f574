"""Edits a built wheel into a variant of it: version, tag, requirements, padding, a failing import."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from packaging.tags import parse_tag
from packaging.version import Version

_PACKAGE = "nimbus_sdk_core"
_PADDING = f"{_PACKAGE}/_padding.bin"
_FIXED_DATE = (2020, 2, 2, 0, 0, 0)
_MODULE_VERSION = re.compile(rb'^__version__ = "[^"]*"', re.MULTILINE)
_BROKEN = (
    b'"""A core that cannot be loaded."""\n\nraise ImportError("This core was made to fail on import.")\n'
)


@dataclass(frozen=True, slots=True)
class WheelSpec:
    """A variant of the core's wheel, as ``Releases.publish`` describes it; by default the one as built."""

    version: str | None = None
    padding: int = 0
    broken: bool = False
    tag: str | None = None
    requires: tuple[str, ...] = ()
    requires_python: str | None = None


def edit_wheel(wheel: Path, target: Path, spec: WheelSpec) -> None:
    """Write an edited copy of a wheel, with a new RECORD, into a folder."""
    name, version, *tag = wheel.stem.split("-")
    with ZipFile(wheel) as archive:
        entries = {path: archive.read(path) for path in archive.namelist() if not path.endswith("/")}
    if spec.version is not None:
        old, version = f"{name}-{version}.dist-info/", str(Version(spec.version))
        entries = {path.replace(old, f"{name}-{version}.dist-info/"): data for path, data in entries.items()}
        line = f'__version__ = "{spec.version}"'.encode()
        for path in [path for path in entries if path.endswith(".py")]:
            entries[path] = _MODULE_VERSION.sub(line, entries[path])
    info = f"{name}-{version}.dist-info"
    entries[f"{info}/METADATA"] = _edit_metadata(entries[f"{info}/METADATA"], version, spec)
    if spec.tag is not None:
        entries[f"{info}/WHEEL"] = _set_tag(entries[f"{info}/WHEEL"], spec.tag)
        tag = [spec.tag]
    if spec.broken:
        entries[f"{_PACKAGE}/__init__.py"] = _BROKEN
    if spec.padding:
        # The same bytes each time, and no secret.
        entries[_PADDING] = random.Random(spec.padding).randbytes(spec.padding)  # noqa: S311
    record = f"{info}/RECORD"
    del entries[record]
    lines = [_record_line(path, data) for path, data in entries.items()]
    entries[record] = ("\n".join([*lines, f"{record},,"]) + "\n").encode()
    with ZipFile(target / f"{'-'.join([name, version, *tag])}.whl", "w") as archive:
        for path, data in entries.items():
            entry = ZipInfo(path, _FIXED_DATE)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data, compress_type=ZIP_STORED if path == _PADDING else ZIP_DEFLATED)


def _edit_metadata(text: bytes, version: str, spec: WheelSpec) -> bytes:
    head, blank, description = text.decode().partition("\n\n")
    replaced = {"Version": version}
    if spec.requires_python is not None:
        replaced["Requires-Python"] = spec.requires_python
    lines = [line for line in head.splitlines() if line.partition(":")[0] not in replaced]
    lines += [f"{field}: {value}" for field, value in replaced.items()]
    lines += [f"Requires-Dist: {requirement}" for requirement in spec.requires]
    return ("\n".join(lines) + (blank or "\n") + description).encode()


def _set_tag(text: bytes, tag: str) -> bytes:
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("Tag:")]
    tags = sorted(f"Tag: {single}" for single in parse_tag(tag))
    return ("\n".join([*lines, *tags]) + "\n").encode()


def _record_line(path: str, data: bytes) -> str:
    checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={checksum},{len(data)}"
