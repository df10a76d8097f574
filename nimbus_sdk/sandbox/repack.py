"""Changes to a built wheel that keep it a valid one: more bytes, other tags, other requirements."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from nimbus_sdk.errors import ConfigurationError

_PADDING_NAME = "nimbus_sdk_core/_padding.bin"
_FIXED_DATE = (2020, 2, 2, 0, 0, 0)


def repack(
    wheel: Path,
    target: Path,
    *,
    padding: int = 0,
    tag: str | None = None,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
) -> Path:
    """Write a changed copy of a wheel, its RECORD made anew.

    Args:
        wheel: The wheel to start from.
        target: Folder that gets the copy.
        padding: Bytes of an incompressible data file to add, stored as it is; the same ones each time.
        tag: Compatibility tag in place of the wheel's own, such as ``cp311-cp311-win_amd64``.
        requires: Requirements to add, one ``Requires-Dist`` each.
        requires_python: ``Requires-Python`` in place of the wheel's own.

    Returns:
        The copy's path.
    """
    entries = _read(wheel)
    info = next(name for name in entries if name.endswith(".dist-info/METADATA")).rpartition("/")[0]
    entries[f"{info}/METADATA"] = _metadata(entries[f"{info}/METADATA"], requires, requires_python)
    filename = wheel.name
    if tag is not None:
        entries[f"{info}/WHEEL"] = _wheel_file(entries[f"{info}/WHEEL"], tag)
        filename = f"{'-'.join(wheel.stem.split('-')[:2])}-{tag}.whl"
    if padding:
        entries[_PADDING_NAME] = random.Random(padding).randbytes(padding)  # noqa: S311  filler, not a secret
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


def _metadata(text: bytes, requires: Sequence[str], requires_python: str | None) -> bytes:
    head, blank, description = text.decode().partition("\n\n")
    lines = head.splitlines()
    if requires_python is not None:
        lines = [line for line in lines if not line.startswith("Requires-Python:")]
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return ("\n".join(lines) + (blank or "\n") + description).encode()


def _wheel_file(text: bytes, tag: str) -> bytes:
    parts = tag.split("-")
    if len(parts) != 3:
        raise ConfigurationError(f"A compatibility tag has three parts, unlike {tag!r}.")
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("Tag:")]
    expanded = [
        f"Tag: {python}-{abi}-{platform}"
        for python in parts[0].split(".")
        for abi in parts[1].split(".")
        for platform in parts[2].split(".")
    ]
    return ("\n".join([*lines, *expanded]) + "\n").encode()


def _record_line(name: str, data: bytes) -> str:
    checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={checksum},{len(data)}"
