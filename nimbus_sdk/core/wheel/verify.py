"""Is this wheel, or what was unpacked from it, what was published? All faults are told at once."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import file_digest
from typing import TYPE_CHECKING, BinaryIO

from nimbus_sdk.core.wheel import pep_parsing, zip_checks
from nimbus_sdk.core.wheel.manifest import InstalledCore, read_manifest
from nimbus_sdk.core.wheel.protocol import DISTRIBUTION
from nimbus_sdk.errors import CoreIntegrityError
from nimbus_sdk.storage import fs, os_errors

if TYPE_CHECKING:
    from email.message import Message
    from zipfile import ZipFile

READABLE_SCHEMES = ("purelib", "platlib")
MOST_METADATA_BYTES = 8 * 2**20
MOST_REQUIREMENTS = 1_000
_OWN_NAMES = (DISTRIBUTION, "_nimbus")
_MODULES = (".py", ".pyc", ".so", ".pyd")


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """What a checked wheel says of itself.

    Attributes:
        name: Its file name.
        version: Its version.
        tag: Python, ABI and platform that it is for, as in its file name.
        requires: Its ``Requires-Dist`` lines.
        requires_python: Its ``Requires-Python``, or None.
        top_level: The names it can be imported by.
    """

    name: str
    version: str
    tag: str
    requires: tuple[str, ...]
    requires_python: str | None
    top_level: tuple[str, ...]


def check_wheel(path: str, asset_name: str) -> WheelFacts:
    """Look at a wheel before anything of it is unpacked.

    Args:
        path: Where it lies; that name may differ.
        asset_name: The file name under which it was published.

    Raises:
        CoreIntegrityError: Its ``issues`` list everything that is wrong.
        CoreInstallError: It cannot be read.
    """
    from zipfile import BadZipFile, ZipFile

    with os_errors.told(os.path.dirname(path)), open(path, "rb") as file:
        faults = tuple(zip_checks.end_faults(file))
        if faults:
            raise _refused(asset_name, faults)
        try:
            archived = ZipFile(file)
        except (BadZipFile, ValueError, NotImplementedError, OverflowError, IndexError) as error:
            raise _refused(asset_name, [f"it is no wheel: {error}"]) from None
        with archived:
            # The name by which installer knows the wheel.
            archived.filename = asset_name
            return _facts(archived, file, asset_name)


def check_installed(folder: str) -> tuple[str, ...]:
    """Compare every file of an unpacked core with its manifest, by hash.

    Args:
        folder: The folder of one installation, which holds ``manifest.json`` and ``lib``.

    Returns:
        What is missing, changed or not expected, one line each; empty where all is well.

    Raises:
        CoreIntegrityError: The manifest cannot be read.
        CoreInstallError: A file cannot be read.
    """
    core = read_manifest(folder)
    with os_errors.told(folder):
        foreign = sorted(set(_present(core.library)) - core.files.keys())
    return (*altered(core), *(f"{zip_checks.shown(name)}: is not part of the core" for name in foreign))


def altered(core: InstalledCore) -> tuple[str, ...]:
    """Files of the core that are missing or were changed, by hash, one line each.

    Raises:
        CoreInstallError: A file cannot be read.
    """
    with os_errors.told(core.folder):
        return tuple(
            f"{name}: {fault}" for name in sorted(core.files) if (fault := _fault(core, name)) is not None
        )


def _refused(asset_name: str, issues: Iterable[str]) -> CoreIntegrityError:
    return CoreIntegrityError(f"The wheel {asset_name} is refused.", issues=tuple(dict.fromkeys(issues)))


def _facts(archived: ZipFile, file: BinaryIO, asset_name: str) -> WheelFacts:
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    entries = archived.infolist()
    layout = [*zip_checks.layout_faults(file, entries)]
    issues = [*zip_checks.entry_faults(entries), *layout]
    try:
        project, version, _, _ = parse_wheel_filename(asset_name)
    except InvalidWheelFilename:
        raise _refused(asset_name, [*issues, "its name is not that of a wheel"]) from None
    if project != canonicalize_name(DISTRIBUTION):
        issues.append(f"its name is not that of a wheel of {DISTRIBUTION}")
    places = _places(archived, issues)
    top_level = _top_level(places, issues)
    # What is wrong with the structure may make reading the content endless.
    if layout or zip_checks.too_much(entries):
        raise _refused(asset_name, issues)
    metadata = _metadata(archived, places, str(version), issues)
    issues += _record_faults(archived)
    if issues or metadata is None:
        raise _refused(asset_name, issues)
    requires_python = metadata.get("Requires-Python")
    return WheelFacts(
        name=asset_name,
        version=str(version),
        tag="-".join(asset_name.removesuffix(".whl").split("-")[-3:]),
        requires=tuple(map(str, metadata.get_all("Requires-Dist", ()))),
        requires_python=None if requires_python is None else str(requires_python),
        top_level=top_level,
    )


def _places(archived: ZipFile, issues: list[str]) -> list[str]:
    """Where each file will lie below ``lib``, once the folders of the wheel's schemes are opened."""
    data = f"{'-'.join((archived.filename or '').split('-')[:2])}.data"
    places = []
    for name in archived.namelist():
        head, _, rest = name.partition("/")
        if name.endswith("/"):
            continue
        if not head.endswith(".data") or not rest:
            places.append(name)
            continue
        scheme, _, place = rest.partition("/")
        if head != data or scheme not in READABLE_SCHEMES or not place:
            issues.append(f"{zip_checks.shown(name)}: is for a place outside of the core's folder")
        else:
            places.append(place)
    issues += zip_checks.clashes(places)
    issues += [
        f"{zip_checks.shown(place)}: is compiled bytecode"
        for place in places
        if "__pycache__" in place.split("/")
    ]
    return places


def _top_level(places: list[str], issues: list[str]) -> tuple[str, ...]:
    names = set()
    for place in places:
        first, folder, _ = place.partition("/")
        stem = first if folder else first.partition(".")[0]
        if stem.isidentifier() and (folder or first.endswith(_MODULES)):
            names.add(stem)
    issues += [
        f"{zip_checks.shown(name)}: is a module name that does not belong to the core"
        for name in sorted(names)
        if not name.startswith(_OWN_NAMES)
    ]
    if f"{DISTRIBUTION}/__init__.py" not in places:
        issues.append(f"it has no package {DISTRIBUTION}")
    return tuple(sorted(names))


def _metadata(archived: ZipFile, places: list[str], version: str, issues: list[str]) -> Message | None:
    """METADATA, once it and WHEEL fit the file name."""
    infos = {place.partition("/")[0] for place in places if ".dist-info/" in place}
    infos = {info for info in infos if info.endswith(".dist-info")}
    if len(infos) != 1:
        issues.append(f"it has {len(infos)} .dist-info folders where there must be one")
        return None
    info = infos.pop()
    metadata, wheel = (_headers(archived, f"{info}/{name}", issues) for name in ("METADATA", "WHEEL"))
    if wheel is not None and not str(wheel.get("Wheel-Version", "")).startswith("1."):
        issues.append("its WHEEL file tells no version 1 of the format")
    if metadata is not None:
        issues += _metadata_faults(metadata, version)
    return metadata


def _metadata_faults(metadata: Message, version: str) -> Iterator[str]:
    from packaging.utils import canonicalize_name

    name, told = str(metadata.get("Name", "")), str(metadata.get("Version", ""))
    if canonicalize_name(name) != canonicalize_name(DISTRIBUTION):
        yield f"its METADATA names {zip_checks.shown(name)}, not {DISTRIBUTION}"
    if pep_parsing.version(told) != pep_parsing.version(version):
        yield f"its METADATA tells version {zip_checks.shown(told)}, its name {version}"
    lines = [str(line) for line in metadata.get_all("Requires-Dist", ())]
    if len(lines) > MOST_REQUIREMENTS:
        yield f"its METADATA names {len(lines)} requirements, more than {MOST_REQUIREMENTS}"
    for line in lines[:MOST_REQUIREMENTS]:
        if pep_parsing.requirement(line) is None:
            yield f"{zip_checks.shown(line)}: is no requirement"
    for line in map(str, metadata.get_all("Requires-Python", ())):
        if pep_parsing.specifiers(line) is None:
            yield f"{zip_checks.shown(line)}: does not name versions of Python"


def _headers(archived: ZipFile, name: str, issues: list[str]) -> Message | None:
    from installer.utils import parse_metadata_file

    try:
        if archived.getinfo(name).file_size > MOST_METADATA_BYTES:
            issues.append(f"{zip_checks.shown(name)}: is too long")
            return None
        return parse_metadata_file(archived.read(name).decode("utf-8"))
    except _unreadable() as error:
        issues.append(f"{zip_checks.shown(name)}: cannot be read ({type(error).__name__})")
        return None


def _record_faults(archived: ZipFile) -> Iterator[str]:
    """What RECORD and content do not agree on."""
    from installer.exceptions import InstallerError
    from installer.sources import WheelFile

    if any(
        entry.file_size > MOST_METADATA_BYTES
        for entry in archived.infolist()
        if entry.filename.endswith(".dist-info/RECORD")
    ):
        yield "its RECORD is too long"
        return
    try:
        source = WheelFile(archived)
        source.validate_record(validate_contents=True)
        recorded = _recorded(source.read_dist_info("RECORD"))
    except InstallerError as error:
        told = getattr(error, "issues", None) or [str(error)]
        yield from (str(issue).removeprefix(f"In {archived.filename}, ") for issue in told)
    except _unreadable() as error:
        yield f"its content cannot be read ({type(error).__name__}: {error})"
    else:
        for name in sorted(recorded - set(archived.namelist())):
            yield f"{zip_checks.shown(name)}: is in RECORD and not in the wheel"


def _recorded(record: str) -> set[str]:
    from installer.records import parse_record_file

    return {name for name, _, _ in parse_record_file(record.splitlines())}


def _unreadable() -> tuple[type[Exception], ...]:
    """What zipfile raises over content that is not what its headers promise."""
    from zipfile import BadZipFile

    return (BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, KeyError)


def _present(library: str) -> Iterator[str]:
    for folder, folders, files in os.walk(library):
        folders[:] = [name for name in folders if name != "__pycache__"]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*files, *links):
            yield os.path.relpath(os.path.join(folder, name), library).replace(os.sep, "/")


def _fault(core: InstalledCore, name: str) -> str | None:
    sha256, size = core.files[name]
    path = os.path.join(core.library, *name.split("/"))
    if fs.regular_size(path) == size:
        with open(path, "rb") as file:
            if file_digest(file, "sha256").hexdigest() == sha256:
                return None
    return "was changed" if os.path.lexists(path) else "is missing"
