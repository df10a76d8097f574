"""Check a wheel before it is unpacked, and an installed core against its manifest.

Sources: "Recording installed projects" (PEP 376, PEP 627) and "Binary distribution format" (PEP 427).
"""

from __future__ import annotations

import csv
import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_string
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile

from nimbus_sdk.core.wheel import zip_checks
from nimbus_sdk.core.wheel.bytecode import CACHE, changed_bytecode, is_bytecode
from nimbus_sdk.core.wheel.manifest import InstalledCore, read_manifest, survey
from nimbus_sdk.core.wheel.protocol import DISTRIBUTION
from nimbus_sdk.core.wheel.requirements import parse_requirement, parse_specifiers, parse_version
from nimbus_sdk.core.wheel.zip_checks import READ_ERRORS, printable
from nimbus_sdk.errors import CoreIntegrityError
from nimbus_sdk.storage.fs import disk_errors

if TYPE_CHECKING:
    from email.message import Message

LIBRARY_SCHEMES = ("purelib", "platlib")
MOST_METADATA_BYTES = 8 * 2**20
MOST_REQUIREMENTS = 1_000
_OWN_NAMES = (DISTRIBUTION, "_nimbus")
_MODULES = (".py", ".pyc", ".so", ".pyd")
SIGNATURES = ("RECORD.jws", "RECORD.p7s")
"""Files that RECORD must not list, since they sign it."""

COPY_BYTES = 2**18
# PEP 427 forbids hashes weaker than SHA-256; a SHAKE has no digest of a fixed length.
_ALGORITHMS = hashlib.algorithms_guaranteed - {"md5", "sha1", "sha224", "shake_128", "shake_256"}


# The library `installer` saves nothing here: its entries may lack hash and size or use any hash, so the
# checks would stay, and its copy returns only the hash that RECORD uses, while the manifest needs SHA-256.
class RecordedFile(NamedTuple):
    """A file of a wheel, as RECORD lists it; the digest is in URL-safe base64 without padding."""

    name: str
    algorithm: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """What a checked wheel says about itself; see ``InstalledCore``.

    Attributes:
        name: Its file name.
        files: What to unpack, by path below the library folder, as RECORD lists it.
    """

    name: str
    version: str
    tag: str
    requires: tuple[str, ...]
    requires_python: str | None
    top_level: tuple[str, ...]
    files: Mapping[str, RecordedFile]


def check_wheel(path: str, asset_name: str) -> WheelFacts:
    """Check everything about a wheel but the content of its files, which is checked while it is unpacked.

    The file at ``path`` may have another name than the one under which it was published, ``asset_name``. The
    ``issues`` of the ``CoreIntegrityError`` list everything that is wrong, the content included.
    """
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    with disk_errors(os.path.dirname(path)), open_wheel(path, asset_name) as (archive, file):
        entries = archive.infolist()
        size, layout = [*zip_checks.size_faults(entries)], [*zip_checks.layout_faults(file, entries)]
        issues = [*size, *zip_checks.entry_faults(entries), *layout]
        try:
            project, version, _, _ = parse_wheel_filename(asset_name)
        except InvalidWheelFilename:
            raise integrity_error(asset_name, [*issues, "its name is not that of a wheel"]) from None
        if project != canonicalize_name(DISTRIBUTION):
            issues.append(f"its name is not that of a wheel of {DISTRIBUTION}")
        paths = _library_paths(archive, asset_name, issues)
        top_level = _top_level(paths.values(), issues)
        # Such faults may make reading the content endless.
        if size or layout:
            raise integrity_error(asset_name, issues)
        info = _info_folder(paths.values(), issues)
        if info is None:
            raise integrity_error(asset_name, issues)
        metadata = _metadata(archive, info, str(version), issues)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        listing = _text(archive, f"{info}/RECORD", issues)
        files = [] if listing is None else check_record(listing, names, info, issues)
        if issues or metadata is None:
            # Nothing will be unpacked, so the content is compared here: the error lists every fault.
            content = (copy_file(archive, listed, lambda chunk: None)[1] for listed in files)
            raise integrity_error(asset_name, [*issues, *filter(None, content)])
        requires_python = metadata.get("Requires-Python")
        return WheelFacts(
            name=asset_name,
            version=str(version),
            tag="-".join(asset_name.removesuffix(".whl").split("-")[-3:]),
            requires=tuple(map(str, metadata.get_all("Requires-Dist", ()))),
            requires_python=None if requires_python is None else str(requires_python),
            top_level=top_level,
            files={paths[listed.name]: listed for listed in files},
        )


@contextmanager
def open_wheel(path: str, asset_name: str) -> Iterator[tuple[ZipFile, BinaryIO]]:
    """Open a wheel as an archive and as a file; refuse what is not an archive."""
    with open(path, "rb") as file:
        faults = tuple(zip_checks.end_faults(file))
        if faults:
            raise integrity_error(asset_name, faults)
        try:
            archive = ZipFile(file)
        except (BadZipFile, ValueError, NotImplementedError, OverflowError, IndexError) as error:
            raise integrity_error(asset_name, [f"it is not a wheel: {error}"]) from None
        with archive:
            yield archive, file


def integrity_error(asset_name: str, issues: Iterable[str]) -> CoreIntegrityError:
    """Return the error for a wheel with these faults."""
    return CoreIntegrityError(f"The wheel {asset_name} is refused.", issues=tuple(dict.fromkeys(issues)))


def check_installed(folder: str) -> tuple[str, ...]:
    """Return what is missing, changed (by hash) or unexpected in an installed core's folder, one line each.

    Bytecode that is not that of its source counts as changed, if this Python would run it.
    """
    core = read_manifest(folder)
    with disk_errors(folder):
        unexpected = sorted(set(_files_below(core.library)) - core.files.keys())
        faults = changed_files(core)
        if not faults:
            faults = tuple(
                f"{name}: its bytecode in {CACHE} is not what this Python compiles from the source"
                for name in changed_bytecode(core.library, core.files)
            )
    return (*faults, *(f"{printable(name)}: is not part of the core" for name in unexpected))


def changed_files(core: InstalledCore) -> tuple[str, ...]:
    """Return the files of a core that are missing, were changed (by hash), or can be by others."""
    sizes, faults = survey(core)
    with disk_errors(core.folder):
        for name, (sha256, size) in sorted(core.files.items()):
            path = os.path.join(core.library, *name.split("/"))
            if sizes.get(name) == size:
                with open(path, "rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                        continue
            faults.append(f"{name}: {'was changed' if os.path.lexists(path) else 'is missing'}")
    return tuple(faults)


def check_record(text: str, names: list[str], info: str, issues: list[str]) -> list[RecordedFile]:
    """Compare a RECORD with the names in the wheel, in both directions; each fault adds a line to ``issues``.

    Returns:
        The files whose content can be compared: all but RECORD, its signatures and those with a fault.
    """
    try:
        # Some builders write Windows paths.
        record = {
            name.replace("\\", "/"): (digest, size) for name, digest, size in csv.reader(text.splitlines())
        }
    except (csv.Error, ValueError) as error:
        issues.append(f"{printable(f'{info}/RECORD')}: cannot be read ({error})")
        return []
    files = []
    for name in names:
        fields = record.get(name)
        if name in [f"{info}/{signature}" for signature in SIGNATURES]:
            if fields is not None:
                issues.append(f"{printable(name)}: is a signature and must not be in RECORD")
        elif fields is None:
            issues.append(f"{printable(name)}: is not in RECORD")
        elif name == f"{info}/RECORD":
            if fields != ("", ""):
                issues.append("RECORD must not have a hash or size of its own")
        elif (file := _recorded_file(name, *fields)) is None:
            issues.append(f"{printable(name)}: has no valid hash and size in RECORD")
        else:
            files.append(file)
    issues += [
        f"{printable(name)}: is in RECORD and not in the wheel" for name in sorted(record.keys() - set(names))
    ]
    return files


def copy_file(
    archive: ZipFile, file: RecordedFile, write: Callable[[bytes], object]
) -> tuple[str, str | None]:
    """Pass the content of a file on in chunks; return its SHA-256, and how it differs from RECORD or None."""
    hashes = {name: hashlib.new(name) for name in ("sha256", file.algorithm)}
    size = 0
    try:
        with archive.open(file.name) as stream:
            while chunk := stream.read(COPY_BYTES):
                write(chunk)
                size += len(chunk)
                for running in hashes.values():
                    running.update(chunk)
    except READ_ERRORS as error:
        return "", f"{printable(file.name)}: cannot be read ({type(error).__name__}: {error})"
    digest = urlsafe_b64encode(hashes[file.algorithm].digest()).rstrip(b"=").decode("ascii")
    same = (digest, size) == (file.digest, file.size)
    return hashes["sha256"].hexdigest(), None if same else f"{printable(file.name)}: does not match RECORD"


def _library_paths(archive: ZipFile, asset_name: str, issues: list[str]) -> dict[str, str]:
    """Return the path below ``lib`` of each file, by its name in the wheel; ``.data`` folders are merged."""
    data = f"{'-'.join(asset_name.split('-')[:2])}.data"
    paths = {}
    for name in (name for name in archive.namelist() if not name.endswith("/")):
        head, _, rest = name.partition("/")
        if not head.endswith(".data") or not rest:
            paths[name] = name
            continue
        scheme, _, path = rest.partition("/")
        if head != data or scheme not in LIBRARY_SCHEMES or not path:
            issues.append(f"{printable(name)}: is for a folder outside of the core's")
        else:
            paths[name] = path
    issues += zip_checks.clashes(paths.values())
    # It would run in place of a source, or without one, and nobody could tell what it does.
    issues += [f"{printable(path)}: is compiled bytecode" for path in paths.values() if is_bytecode(path)]
    return paths


def _top_level(paths: Collection[str], issues: list[str]) -> tuple[str, ...]:
    names = set()
    for path in paths:
        first, folder, _ = path.partition("/")
        stem = first if folder else first.partition(".")[0]
        if stem.isidentifier() and (folder or first.endswith(_MODULES)):
            names.add(stem)
    issues += [
        f"{printable(name)}: is a module name that does not belong to the core"
        for name in sorted(names)
        if not name.startswith(_OWN_NAMES)
    ]
    if f"{DISTRIBUTION}/__init__.py" not in paths:
        issues.append(f"it has no package {DISTRIBUTION}")
    return tuple(sorted(names))


def _info_folder(paths: Iterable[str], issues: list[str]) -> str | None:
    from packaging.utils import canonicalize_name

    parts = (path.partition("/") for path in paths)
    folders = {folder for folder, slash, _ in parts if slash and folder.endswith(".dist-info")}
    if len(folders) != 1:
        issues.append(f"it has {len(folders)} .dist-info folders where there must be one")
        return None
    info = folders.pop()
    project = info.removesuffix(".dist-info").rpartition("-")[0]
    if canonicalize_name(project) != canonicalize_name(DISTRIBUTION):
        issues.append(f"{printable(info)}: is the .dist-info folder of another project")
    return info


def _metadata(archive: ZipFile, info: str, version: str, issues: list[str]) -> Message | None:
    """Read METADATA, and compare it and WHEEL with the file name."""
    text, wheel = (_text(archive, f"{info}/{name}", issues) for name in ("METADATA", "WHEEL"))
    if wheel is not None and not str(message_from_string(wheel).get("Wheel-Version", "")).startswith("1."):
        issues.append("its WHEEL file does not declare version 1 of the format")
    if text is None:
        return None
    metadata = message_from_string(text)
    issues += _metadata_faults(metadata, version)
    return metadata


def _metadata_faults(metadata: Message, version: str) -> Iterator[str]:
    from packaging.utils import canonicalize_name

    for field in ("Name", "Version"):
        if len(metadata.get_all(field, ())) > 1:
            yield f"its METADATA has more than one {field}"
    name, declared = str(metadata.get("Name", "")), str(metadata.get("Version", ""))
    if canonicalize_name(name) != canonicalize_name(DISTRIBUTION):
        yield f"its METADATA names {printable(name)}, not {DISTRIBUTION}"
    if parse_version(declared) != parse_version(version):
        yield f"its METADATA declares version {printable(declared)}, its name {version}"
    lines = [str(line) for line in metadata.get_all("Requires-Dist", ())]
    if len(lines) > MOST_REQUIREMENTS:
        yield f"its METADATA names {len(lines)} requirements, more than {MOST_REQUIREMENTS}"
    for line in lines[:MOST_REQUIREMENTS]:
        if parse_requirement(line) is None:
            yield f"{printable(line)}: is not a requirement"
    for line in map(str, metadata.get_all("Requires-Python", ())):
        if parse_specifiers(line) is None:
            yield f"{printable(line)}: does not name versions of Python"


def _text(archive: ZipFile, name: str, issues: list[str]) -> str | None:
    try:
        if archive.getinfo(name).file_size <= MOST_METADATA_BYTES:
            return archive.read(name).decode("utf-8")
        issues.append(f"{printable(name)}: is too long")
    except READ_ERRORS as error:
        issues.append(f"{printable(name)}: cannot be read ({type(error).__name__})")
    return None


def _files_below(library: str) -> Iterator[str]:
    for folder, folders, files in os.walk(library):
        folders[:] = [name for name in folders if name != CACHE]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*files, *links):
            yield os.path.relpath(os.path.join(folder, name), library).replace(os.sep, "/")


def _recorded_file(name: str, digest: str, size: str) -> RecordedFile | None:
    algorithm, _, value = digest.partition("=")
    with suppress(ValueError):
        if algorithm in _ALGORITHMS and value:
            return RecordedFile(name, algorithm, value, int(size))
    return None
