"""A wheel's RECORD: the hash and size that each of its files must have.

Source: "Recording installed projects" (PEP 376, PEP 627) and "Binary distribution format" (PEP 427).
"""

from __future__ import annotations

import csv
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple
from zipfile import ZipFile

from nimbus_sdk.core.wheel.zip_checks import READ_ERRORS, printable

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


def _recorded_file(name: str, digest: str, size: str) -> RecordedFile | None:
    algorithm, _, value = digest.partition("=")
    with suppress(ValueError):
        if algorithm in _ALGORITHMS and value:
            return RecordedFile(name, algorithm, value, int(size))
    return None
