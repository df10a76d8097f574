"""Wheels that are not what they seem are refused before a byte of them is unpacked."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import warnings
from pathlib import Path, PureWindowsPath
from zipfile import ZIP_BZIP2, ZIP_STORED, ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.core.wheel import verify, zip_checks
from nimbus_sdk.core.wheel.unpack import inside
from nimbus_sdk.errors import CoreIntegrityError
from tests.support.wheels import check_and_stage, core_files, entry, issues_of, make_wheel


def with_entry(tmp_path: Path, name: str, content: bytes = b"x", **header) -> tuple[str, ...]:
    """What is said of a wheel with one more entry."""

    def add(opened: ZipFile) -> None:
        info = entry("placeholder", **header)
        info.filename = name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            opened.writestr(info, content)

    return issues_of(make_wheel(tmp_path, change=add))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("/etc/passwd", "absolute"),
        ("C:/windows/evil.py", "absolute"),
        ("C:evil.py", "absolute"),
        ("../evil.py", "leads out"),
        ("nimbus_sdk_core/../../evil.py", "leads out"),
        ("nimbus_sdk_core/..", "leads out"),
        ("nimbus_sdk_core\\evil.py", "not allowed"),
        ("nimbus_sdk_core/a\nb.py", "not allowed"),
        ("nimbus_sdk_core/stream.py:hidden", "not allowed"),
        ("nimbus_sdk_core//evil.py", "empty part"),
        ("nimbus_sdk_core/./evil.py", "empty part"),
        ("nimbus_sdk_core/evil.py.", "dot or a space"),
        ("nimbus_sdk_core/evil.py ", "dot or a space"),
        ("nimbus_sdk_core/NUL", "device"),
        ("nimbus_sdk_core/com1.txt", "device"),
        ("nimbus_sdk_core/con .txt", "device"),
        ("nimbus_sdk_core/Aux/evil.py", "device"),
        ("nimbus_sdk_core/" + "n" * 256, "too long"),
        ("nimbus_sdk_core/__init__.py", "occurs twice"),
        ("NIMBUS_SDK_CORE/__init__.py", "is the same as"),
        ("nimbus_sdk_core/__init__.py/evil.py", "is a file, and the folder"),
    ],
)
def test_a_dangerous_name_is_refused(tmp_path, name, fault):
    """A name that leads elsewhere, on any system, is an issue that names it."""
    assert any(fault in issue for issue in with_entry(tmp_path, name))


@given(st.text(st.sampled_from(list("ab./\\:~ \0CcOoNn1é\u202e")), min_size=1, max_size=12))
def test_a_name_without_fault_stays_below_its_folder_everywhere(name):
    """Whatever passes is a plain relative path on POSIX and on Windows."""
    if list(zip_checks.name_faults(name)):
        return
    assert inside("/srv/lib", name) == f"/srv/lib/{name.rstrip('/')}"
    windows = PureWindowsPath(name)
    assert (windows.drive, windows.root) == ("", "")
    assert "/".join(windows.parts) == name.rstrip("/")
    assert not {part.partition(".")[0].rstrip(" ").lower() for part in windows.parts} & {"con", "nul"}


def test_names_that_differ_in_unicode_form_only_are_refused(tmp_path):
    """Two spellings of one accented letter are one file on macOS."""
    files = {**core_files(), "nimbus_sdk_core/caf\u00e9.py": b"1", "nimbus_sdk_core/cafe\u0301.py": b"2"}
    assert any("is the same as" in issue for issue in issues_of(make_wheel(tmp_path, files=files)))


def test_a_name_with_nul_is_refused(tmp_path):
    """What follows a NUL is hidden from some readers."""
    path = make_wheel(tmp_path, files={**core_files(), "nimbus_sdk_core/aXb.py": b"1"})
    path.write_bytes(path.read_bytes().replace(b"nimbus_sdk_core/aXb.py", b"nimbus_sdk_core/a\0b.py"))
    issues = issues_of(path)
    assert any("not allowed" in issue for issue in issues)
    assert any("two names" in issue for issue in issues)


@pytest.mark.parametrize(
    ("mode", "fault"),
    [
        (stat.S_IFLNK | 0o777, "link or a special file"),
        (stat.S_IFIFO | 0o666, "link or a special file"),
        (stat.S_IFDIR | 0o755, "folder without the name of one"),
    ],
)
def test_a_link_or_special_file_is_refused(tmp_path, mode, fault):
    """Only files and folders may come out of a wheel."""
    issues = with_entry(tmp_path, "nimbus_sdk_core/link", b"/etc/passwd", mode=mode)
    assert any(fault in issue for issue in issues)


def test_a_folder_with_content_is_refused(tmp_path):
    """A folder's entry holds no bytes."""
    issues = with_entry(tmp_path, "nimbus_sdk_core/sub/", b"hidden", mode=stat.S_IFDIR | 0o755)
    assert any("folder with content" in issue for issue in issues)


def test_plain_folder_entries_are_fine(tmp_path):
    """Some builders write entries for folders; such a wheel is good."""
    path = make_wheel(
        tmp_path,
        change=lambda opened: opened.writestr(entry("nimbus_sdk_core/sub/", mode=stat.S_IFDIR | 0o755), b""),
    )
    assert verify.check_wheel(str(path), path.name).top_level == ("nimbus_sdk_core",)


def test_an_unusual_packing_is_refused(tmp_path):
    """Wheels are stored or deflated."""
    assert any(
        "packed in a way" in issue for issue in with_entry(tmp_path, "nimbus_sdk_core/b", method=ZIP_BZIP2)
    )


def test_an_encrypted_entry_is_refused(tmp_path):
    """What cannot be read cannot be checked."""
    path = make_wheel(tmp_path)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[directory + 8] |= 1
    path.write_bytes(content)
    assert any("is encrypted" in issue for issue in issues_of(path))


def test_a_bomb_is_refused(tmp_path):
    """An entry that unpacks to hundreds of times its size is not unpacked."""
    assert any(
        "unpacks" in issue for issue in with_entry(tmp_path, "nimbus_sdk_core/zeros", bytes(4 * 2**20))
    )


def test_an_oversize_total_is_refused_without_reading(tmp_path, monkeypatch):
    """The sum of the declared sizes is bounded."""
    monkeypatch.setattr(zip_checks, "MOST_UNPACKED_BYTES", 500)
    assert any("more than 500" in issue for issue in issues_of(make_wheel(tmp_path)))


def test_too_many_entries_are_refused(tmp_path, monkeypatch):
    """The number of entries is bounded."""
    monkeypatch.setattr(zip_checks, "MOST_ENTRIES", 3)
    assert any("more than 3" in issue for issue in issues_of(make_wheel(tmp_path)))


def test_data_after_the_end_is_refused(tmp_path):
    """A second archive, or anything, behind the end record could be read by another tool."""
    path = make_wheel(tmp_path)
    path.write_bytes(path.read_bytes() + b"trailing")
    assert issues_of(path) == ("data follows the end record of the archive",)


def test_a_comment_is_refused(tmp_path):
    """A comment can hide a second end record."""

    def comment(opened: ZipFile) -> None:
        opened.comment = b"PK\x05\x06" + bytes(18)

    assert issues_of(make_wheel(tmp_path, change=comment))


def test_two_archives_in_one_are_refused(tmp_path):
    """Data before the first entry, such as another archive with an end record of its own, is refused."""
    path = make_wheel(tmp_path)
    path.write_bytes(path.read_bytes() * 2)
    assert any("directory is not where" in issue for issue in issues_of(path))


def test_a_wrong_count_in_the_end_record_is_refused(tmp_path):
    """The end record must be that of the directory before it."""
    path = make_wheel(tmp_path)
    content = bytearray(path.read_bytes())
    content[-14:-12] = struct.pack("<H", 1)
    path.write_bytes(content)
    assert any("not that of one whole archive" in issue for issue in issues_of(path))


def rebuilt(path: Path, before_second: bytes) -> None:
    """Put bytes before the second entry and correct every offset."""
    content = path.read_bytes()
    with ZipFile(path) as opened:
        offsets = [info.header_offset for info in opened.infolist()]
    directory = content.index(b"PK\x01\x02")
    body = content[: offsets[1]] + before_second + content[offsets[1] : directory]
    tail = bytearray(content[directory:])
    place = 0
    while tail[place : place + 4] == b"PK\x01\x02":
        (offset,) = struct.unpack_from("<L", tail, place + 42)
        struct.pack_into("<L", tail, place + 42, offset + (len(before_second) if offset else 0))
        place += 46 + sum(struct.unpack_from("<3H", tail, place + 28))
    struct.pack_into("<L", tail, len(tail) - 6, len(body))
    path.write_bytes(body + tail)


def test_bytes_between_entries_are_refused(tmp_path):
    """Every byte belongs to an entry."""
    path = make_wheel(tmp_path)
    rebuilt(path, b"")
    assert verify.check_wheel(str(path), path.name)
    rebuilt(path, b"hidden")
    assert any("belong to no entry" in issue for issue in issues_of(path))


def test_overlapping_entries_are_refused(tmp_path):
    """Two entries may not share bytes, which is how small bombs are made."""
    path = make_wheel(tmp_path)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", directory + 4)
    struct.pack_into("<L", content, second + 42, 0)
    path.write_bytes(content)
    issues = issues_of(path)
    assert any("overlaps" in issue for issue in issues)


def test_a_header_that_disagrees_with_the_directory_is_refused(tmp_path):
    """Both ways of reading an archive must give the same names and sizes."""
    path = make_wheel(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"nimbus_sdk_core/__init__.py", b"nimbus_sdk_core/__evil__.py", 1))
    assert any("disagree" in issue for issue in issues_of(path))
    size = bytearray(content)
    struct.pack_into("<L", size, 22, 5)
    path.write_bytes(size)
    assert any("disagree" in issue for issue in issues_of(path))


def test_an_entry_without_header_is_refused(tmp_path):
    """An entry of the directory must be there."""
    path = make_wheel(tmp_path)
    path.write_bytes(b"PKxx" + path.read_bytes()[4:])
    assert any("no header of its own" in issue for issue in issues_of(path))


def test_streamed_entries_are_fine(tmp_path):
    """A builder that writes to a pipe puts sizes behind the data; such a wheel is good."""
    good = make_wheel(tmp_path / "plain")
    piped = tmp_path / good.name
    with ZipFile(good) as source, piped.open("wb") as raw:

        class Pipe:
            """A file that cannot seek."""

            def write(self, data):
                return raw.write(data)

            def flush(self):
                raw.flush()

        with ZipFile(Pipe(), "w") as target:  # type: ignore[call-overload]
            for info in source.infolist():
                target.writestr(entry(info.filename), source.read(info))
    assert verify.check_wheel(str(piped), piped.name).version == "1.0.0"


def test_an_archive_within_the_wheel_is_fine(tmp_path):
    """Model files may be zip archives themselves; their end records are no harm."""
    inner = make_wheel(tmp_path / "inner").read_bytes()
    files = {**core_files(), "nimbus_sdk_core/model.npz": inner}
    path = make_wheel(tmp_path, files=files, method=ZIP_STORED)
    assert verify.check_wheel(str(path), path.name)


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>log in</html>", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    """A login page saved as a wheel is reported to be none."""
    path = tmp_path / "nimbus_sdk_core-1.0.0-py3-none-any.whl"
    path.write_bytes(content)
    assert issues_of(path)


def test_no_damage_escapes_as_a_foreign_error(tmp_path, monkeypatch):
    """Whatever byte is changed, the wheel is either refused in our words or still good."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    path = make_wheel(tmp_path, files={"nimbus_sdk_core/__init__.py": b"x = 1\n"})
    whole = path.read_bytes()
    # A file that is written anew each time would take most of the time.
    with path.open("r+b", buffering=0) as file:
        for place in range(0, len(whole), 3):
            for value in (0x00, 0xFF, whole[place] ^ 0x08, whole[place]):
                file.seek(place)
                file.write(bytes([value]))
                if value != whole[place]:
                    with contextlib.suppress(CoreIntegrityError):
                        check_and_stage(path, tmp_path / "core")
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        assert issues_of(path)
