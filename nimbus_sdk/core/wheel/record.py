"""A wheel's RECORD: the hash and size that each of its files must have.

Source: "Recording installed projects" (PEP 376, PEP 627) and "Binary distribution format" (PEP 427).
"""

from __future__ import annotations

import csv
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zipfile import ZipFile

from nimbus_sdk.core.wheel.zip_checks import READ_ERRORS, printable

RECORD = "RECORD"
SIGNATURES = ("RECORD.jws", "RECORD.p7s")
"""Files that RECORD must not list, since they sign it."""

COPY_BYTES = 2**18
# PEP 427 forbids hashes weaker than SHA-256; a SHAKE has no digest of a fixed length.
_ALGORITHMS = hashlib.algorithms_guaranteed - {"md5", "sha1", "sha224", "shake_128", "shake_256"}


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of a wheel, as RECORD lists it.

    Attributes:
        name: Its name in the wheel.
        algorithm: The hash function, such as ``sha256``.
        digest: Its hash, in URL-safe base64 without padding.
        size: Its size in bytes.
    """

    name: str
    algorithm: str
    digest: str
    size: int


def parse_record(text: str) -> dict[str, tuple[str, str]]:
    """Parse a RECORD into hash and size, both as text, by file name.

    Raises:
        ValueError: A line does not have three fields.

    Example:
        >>> parse_record("a.py,sha256=47DEQpj8HBSa,0\\nx.dist-info/RECORD,,\\n")
        {'a.py': ('sha256=47DEQpj8HBSa', '0'), 'x.dist-info/RECORD': ('', '')}
    """
    try:
        # Some builders write Windows paths.
        return {
            name.replace("\\", "/"): (digest, size) for name, digest, size in csv.reader(text.splitlines())
        }
    except csv.Error as error:
        raise ValueError(str(error)) from None


def check_record(
    record: Mapping[str, tuple[str, str]], names: list[str], info: str, issues: list[str]
) -> list[RecordedFile]:
    """Compare RECORD with the names in the wheel, in both directions.

    Args:
        record: What :func:`parse_record` returned.
        names: The files in the wheel.
        info: The name of the ``.dist-info`` folder.
        issues: Receives one line for each fault.

    Returns:
        The files whose content can be compared: all but RECORD, its signatures and those with a fault.
    """
    files = []
    own, signatures = f"{info}/{RECORD}", tuple(f"{info}/{name}" for name in SIGNATURES)
    for name in names:
        fields = record.get(name)
        if name in signatures:
            if fields is not None:
                issues.append(f"{printable(name)}: is a signature and must not be in RECORD")
        elif fields is None:
            issues.append(f"{printable(name)}: is not in RECORD")
        elif name == own:
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
    """Pass the content of a file on, hash it on the way, and compare it with RECORD.

    Args:
        archive: The wheel.
        file: Which file, and what it must be.
        write: Called with each chunk.

    Returns:
        The SHA-256 of the content, and what is wrong with it or None.
    """
    sha256 = hashlib.sha256()
    recorded = sha256 if file.algorithm == "sha256" else hashlib.new(file.algorithm)
    size = 0
    try:
        with archive.open(file.name) as stream:
            while chunk := stream.read(COPY_BYTES):
                write(chunk)
                size += len(chunk)
                sha256.update(chunk)
                if recorded is not sha256:
                    recorded.update(chunk)
    except READ_ERRORS as error:
        return "", f"{printable(file.name)}: cannot be read ({type(error).__name__}: {error})"
    digest = urlsafe_b64encode(recorded.digest()).rstrip(b"=").decode("ascii")
    same = (digest, size) == (file.digest, file.size)
    return sha256.hexdigest(), None if same else f"{printable(file.name)}: does not match RECORD"


def _recorded_file(name: str, digest: str, size: str) -> RecordedFile | None:
    algorithm, _, value = digest.partition("=")
    if algorithm not in _ALGORITHMS or not value:
        return None
    try:
        return RecordedFile(name, algorithm, value, int(size))
    except ValueError:
        return None
