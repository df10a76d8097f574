"""Builds the wheel of the core once with hatchling, edits each variant of it once, and stores them.

A variant differs in version, tag, requirements and padding, or fails on import.
"""

from __future__ import annotations

import atexit
import base64
import functools
import hashlib
import os
import random
import re
import shutil
import tempfile
import threading
from dataclasses import astuple, dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from packaging.tags import parse_tag
from packaging.version import Version

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.availability import unavailable_error

REFERENCE_CORE = Path(__file__).parents[2] / "reference_core"
_build_lock = threading.RLock()
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


class WheelCache:
    """Wheels by spec, in a folder that later processes use too; None is a temporary one of this process."""

    def __init__(self, source: Path = REFERENCE_CORE, folder: Path | None = None) -> None:
        self._source = source
        self._folder = folder

    def wheel(self, spec: WheelSpec) -> Path:
        """Return the wheel for a spec; make it unless it was made before from the same sources."""
        with _build_lock:
            folder = (self._folder or _process_folder()) / self._digest(spec)
            if not folder.is_dir():
                self._make(folder, spec)
            return next(folder.glob("*.whl"))

    def _make(self, folder: Path, spec: WheelSpec) -> None:
        built = None if spec == WheelSpec() else self.wheel(WheelSpec())
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="draft-", dir=folder.parent) as draft:
            target = Path(draft, "wheel")
            target.mkdir()
            try:
                if built is None:
                    _build_wheel(self._source, target)
                else:
                    _edit_wheel(built, target, spec)
                os.rename(target, folder)
            except OSError:
                # Another process may have made the same wheel meanwhile.
                if not folder.is_dir():
                    raise

    def _digest(self, spec: WheelSpec) -> str:
        state = hashlib.sha256(repr(astuple(spec)).encode())
        for path in sorted(self._source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                state.update(f"\0{path.relative_to(self._source)}\0".encode())
                state.update(path.read_bytes())
        return state.hexdigest()[:16]


def _build_wheel(source: Path, target: Path) -> None:
    """Build a copy of the project in one folder, which is not changed, into another folder."""
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


@functools.cache
def _process_folder() -> Path:
    folder, owner = Path(tempfile.mkdtemp(prefix="nimbus-wheels-")), os.getpid()

    def remove() -> None:
        # A forked child runs the exit handlers of its parent as well.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _edit_wheel(wheel: Path, target: Path, spec: WheelSpec) -> None:
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
