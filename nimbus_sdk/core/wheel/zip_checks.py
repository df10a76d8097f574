"""Check the structure of a zip file before any of it is unpacked.

A zip file can be read in two ways: by the directory at its end, or entry by entry from its start. Here
both must give the same result, and no bytes may be before, between or behind the entries. Sources: PEP 427
and APPNOTE 6.3.10 on structure; the naming rules of Windows and macOS.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO
from zipfile import BadZipFile, ZipInfo

READ_ERRORS = (BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, KeyError)
"""What zipfile raises for content that does not fit its headers."""

MOST_UNPACKED_BYTES = 2 * 2**30
MOST_ENTRIES = 20_000
MOST_DIRECTORY_BYTES = 64 * 2**20
MOST_DEPTH = 32
MOST_RATIO = 200
RATIO_FLOOR_BYTES = 2**20
_END = struct.Struct("<4s4H2LH")
_LOCAL = struct.Struct("<4s5H3L2H")
_ZIP64_LOCATOR_BYTES = 20
_NO_GAP = frozenset({0})
_DESCRIPTOR_GAPS = frozenset({12, 16, 20, 24})
_UTF8 = 0x0800
_STREAMED = 0x0008
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_STORED_OR_DEFLATED = (0, 8)
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³]|conin\$|conout\$) *(\..*)?")
_NOT_PORTABLE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')


def size_faults(entries: Sequence[ZipInfo]) -> Iterator[str]:
    """Yield the limits that all entries together exceed."""
    if len(entries) > MOST_ENTRIES:
        yield f"{len(entries)} entries are more than {MOST_ENTRIES}"
    if (unpacked := sum(entry.file_size for entry in entries)) > MOST_UNPACKED_BYTES:
        yield f"unpacked it would be {unpacked} bytes, more than {MOST_UNPACKED_BYTES}"


def entry_faults(entries: Sequence[ZipInfo]) -> Iterator[str]:
    """Yield the faults in the names, kinds and sizes of the entries, one line each."""
    for entry in entries:
        for fault in (*name_faults(entry.orig_filename), *_kind_faults(entry)):
            yield f"{printable(entry.orig_filename)}: {fault}"
    yield from clashes(entry.orig_filename for entry in entries)


def name_faults(name: str) -> Iterator[str]:
    """Yield what keeps a name from being a plain path below a folder, on any system."""
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        yield "is an absolute name"
    if ".." in parts:
        yield "leads out of its folder"
    if "" in parts or "." in parts:
        yield "has an empty part"
    if _NOT_PORTABLE.search(name):
        yield "has a character that is not allowed in names (backslash, colon, NUL, control…)"
    if any(part.endswith((" ", ".")) and part not in (".", "..") for part in parts):
        yield "has a part that ends in a dot or a space, which Windows drops"
    if any(_DEVICES.fullmatch(part) for part in parts):
        yield "is the name of a Windows device"
    if len(parts) > MOST_DEPTH:
        yield "is nested too deeply"
    if len(name) > 1_000 or any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
        yield "is too long"


def clashes(names: Iterable[str]) -> Iterator[str]:
    """Yield names that are one file, here or on a system that ignores case or normalizes Unicode."""
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        plain = name.removesuffix("/")
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", plain).casefold())
        if key in seen:
            same = (
                "occurs twice" if seen[key] == plain else f"is the same as {printable(seen[key])} elsewhere"
            )
            yield f"{printable(name)}: {same}"
        elif not name.endswith("/"):
            seen[key] = plain
        parts = key.split("/")
        # Deeper names are refused anyway; storing each of their folders would need unbounded memory.
        for depth in range(1, min(len(parts), MOST_DEPTH)):
            folders.setdefault("/".join(parts[:depth]), plain)
    for key in seen.keys() & folders.keys():
        yield f"{printable(seen[key])}: is a file, and the folder of {printable(folders[key])}"


def end_faults(file: BinaryIO) -> Iterator[str]:
    """Yield the faults in the end record; zipfile reads as many bytes at once as the record declares."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _ZIP64_LOCATOR_BYTES))
    before, tail = (end := file.read())[: -_END.size], end[-_END.size :]
    if len(tail) < _END.size or not tail.startswith(b"PK\x05\x06") or not tail.endswith(b"\0\0"):
        yield "data follows the end record of the archive"
        return
    _, disk, directory_disk, here, count, length, directory, _ = _END.unpack(tail)
    if disk or directory_disk or here != count or before.startswith(b"PK\x06\x07"):
        yield "its end record is not that of one whole archive"
    if directory + length != size - _END.size:
        yield "its directory is not where the end record says"
    if count > MOST_ENTRIES or length > MOST_DIRECTORY_BYTES:
        yield f"its directory declares {count} entries in {length} bytes, more than {MOST_ENTRIES}"


def layout_faults(file: BinaryIO, entries: Sequence[ZipInfo]) -> Iterator[str]:
    """Yield the faults in the layout: bytes of no entry, entries that overlap or have two descriptions."""
    file.seek(-_END.size, os.SEEK_END)
    _, _, _, _, count, _, directory, _ = _END.unpack(file.read(_END.size))
    if count != len(entries):
        yield "its end record is not that of one whole archive"
    reached, gaps = 0, _NO_GAP
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < reached:
            yield f"{printable(entry.orig_filename)}: overlaps another entry"
            continue
        if entry.header_offset - reached not in gaps:
            yield f"{printable(entry.orig_filename)}: bytes before it belong to no entry"
        file.seek(entry.header_offset)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
            yield f"{printable(entry.orig_filename)}: has no header of its own"
            continue
        _, _, flags, method, _, _, *sizes, name_bytes, extra_bytes = _LOCAL.unpack(head)
        name = file.read(name_bytes)
        if not _is_same(entry, flags, method, sizes, name):
            yield f"{printable(entry.orig_filename)}: its own header and the directory disagree"
        reached = entry.header_offset + _LOCAL.size + len(name) + extra_bytes + entry.compress_size
        gaps = _DESCRIPTOR_GAPS if entry.flag_bits & _STREAMED else _NO_GAP
    if directory - reached not in gaps:
        yield "its entries do not end where its directory starts"


def printable(name: str) -> str:
    """Return an untrusted name in a form that is safe to print."""
    return ascii(name) if len(name) <= 120 else f"{name[:120]!a}…"


def _is_same(entry: ZipInfo, flags: int, method: int, sizes: list[int], name: bytes) -> bool:
    """Return whether the header in front of an entry's data says the same as the directory."""
    text = name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    same = (flags, method, text) == (entry.flag_bits, entry.compress_type, entry.orig_filename)
    if entry.flag_bits & _STREAMED:
        return same
    expected = (entry.CRC, entry.compress_size, entry.file_size)
    # All ones mean that the size is in the header's zip64 field.
    return same and all(size in (wanted, 0xFFFFFFFF) for size, wanted in zip(sizes, expected, strict=True))


def _kind_faults(entry: ZipInfo) -> Iterator[str]:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    folder = entry.orig_filename.endswith("/")
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        yield "is a link or a special file" if kind != stat.S_IFDIR else "is a folder without the name of one"
    if folder and entry.file_size:
        yield "is a folder with content"
    if entry.filename != entry.orig_filename:
        yield "has two names"
    if entry.flag_bits & _ENCRYPTED:
        yield "is encrypted"
    if entry.compress_type not in _STORED_OR_DEFLATED:
        yield "is packed in a way that wheels do not use"
    if entry.file_size > max(RATIO_FLOOR_BYTES, MOST_RATIO * entry.compress_size):
        yield f"unpacks {entry.compress_size} bytes to {entry.file_size}"
