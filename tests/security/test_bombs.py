"""Wheels that are made to take more time or memory than a machine has, or to be two things at once.

What tests/core holds already (bombs of one entry, overlaps, comments, devices, links) is not repeated.
"""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.core.wheel import unpack, verify, zip_checks
from nimbus_sdk.core.wheel.manifest import LIBRARY
from nimbus_sdk.errors import CoreIntegrityError
from nimbus_sdk.storage.pointer import pointer_path, read_pointer
from tests.support.examples import examples
from tests.support.wheels import core_files, make_wheel, sha256

MEBIBYTE = 2**20
SIGNS = st.sampled_from("aAbB.-_ ~éÉ\u0301ß\u017f\u212a\u1e9e\ufb01cCoOnNuUlL1:\\*\x00\x1f\u202e\ud83d¹")


def issues_of(path: Path) -> tuple[str, ...]:
    """Why a wheel is refused."""
    with pytest.raises(CoreIntegrityError) as caught:
        verify.check_wheel(str(path), path.name)
    return caught.value.issues


@contextmanager
def within(seconds: float, mebibytes: float) -> Iterator[None]:
    """What happens in here takes no more time of the processor and no more memory at once."""
    tracemalloc.start()
    started = time.process_time()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / MEBIBYTE
        spent = time.process_time() - started
    finally:
        tracemalloc.stop()
    assert peak < mebibytes, f"{peak:.0f} MiB"
    assert spent < seconds, f"{spent:.1f} s"


def test_a_directory_without_end_is_not_read(tmp_path: Path):
    """The number of entries is bounded before zipfile makes an object of each."""
    path = tmp_path / "nimbus_sdk_core-1.0.0-py3-none-any.whl"
    with ZipFile(path, "w", ZIP_STORED) as bomb:
        for number in range(21_000):
            bomb.writestr(ZipInfo(f"x{number}"), b"")
    with within(1, 8):
        assert any("more than 20000" in issue for issue in issues_of(path))


def test_a_second_end_record_of_the_64_bit_form_is_refused(tmp_path: Path):
    """zipfile believes a zip64 end record before the plain one; an archive that has it is refused unread."""
    path = make_wheel(tmp_path)
    whole = path.read_bytes()
    end, directory = whole[-22:], len(whole) - 22
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, directory, 1)
    path.write_bytes(whole[:-22] + record + locator + end)
    with within(1, 8):
        assert "its end record is not that of one whole archive" in issues_of(path)


def test_names_of_many_folders_take_no_memory_to_match(tmp_path: Path):
    """A name may hold hundreds of folders; thousands of such names are refused within bounds."""
    deep = {f"nimbus_sdk_core/{number}/{'d/' * 450}x": b"" for number in range(300)}
    path = make_wheel(tmp_path, files={**core_files(), **deep})
    with within(8, 64):
        assert sum("nested too deeply" in issue for issue in issues_of(path)) == 300


@pytest.mark.parametrize("part", ["METADATA", "RECORD"])
def test_texts_without_end_are_not_read(tmp_path: Path, part: str):
    """METADATA and RECORD are read whole, so their length is bounded first."""
    padding = b"\n" * (9 * MEBIBYTE)
    info = "nimbus_sdk_core-1.0.0.dist-info"
    if part == "RECORD":
        path = make_wheel(tmp_path, recorded=lambda listed: listed + padding)
    else:
        files = {**core_files(), f"{info}/METADATA": b"Name: nimbus_sdk_core\nVersion: 1.0.0\n" + padding}
        path = make_wheel(tmp_path, files=files)
    with within(2, 32):
        assert any("too long" in issue for issue in issues_of(path))


def test_requirements_without_end_are_refused(tmp_path: Path):
    """Each requirement costs time to read, so their number is bounded."""
    path = make_wheel(tmp_path, requires=tuple(f"a{number}" for number in range(5_000)))
    with within(4, 64):
        assert any("more than 1000" in issue for issue in issues_of(path))


def test_a_pointer_goes_one_step_back_and_no_further(tmp_path: Path):
    """A chain of pointers, each step of which costs a call, is damage."""
    step: dict[str, object] = {
        "format": 1,
        "version": "1",
        "folder": "1/a",
        "install_id": "a",
        "previous": None,
    }
    place = Path(pointer_path(str(tmp_path)))
    place.write_text(json.dumps({**step, "previous": step}))
    assert read_pointer(str(tmp_path)) is not None
    place.write_text(json.dumps({**step, "previous": {**step, "previous": step}}))
    with pytest.raises(CoreIntegrityError, match="is damaged"):
        read_pointer(str(tmp_path))


@examples(60)
@given(
    st.lists(st.lists(st.text(SIGNS, min_size=1, max_size=6), min_size=1, max_size=3), min_size=1, max_size=4)
)
def test_what_is_accepted_is_the_same_files_on_every_system(
    tmp_path_factory: pytest.TempPathFactory, names: list[list[str]]
):
    """Either a wheel is refused, or its names stay distinct, inside, and themselves on every file system."""
    folder = tmp_path_factory.mktemp("names")
    listed = list(dict.fromkeys("nimbus_sdk_core/" + "/".join(parts) for parts in names))
    try:
        path = make_wheel(folder, files={**core_files(), **dict.fromkeys(listed, b"x")})
        facts = verify.check_wheel(str(path), path.name)
    except (CoreIntegrityError, UnicodeEncodeError, UserWarning):
        # The last two are zipfile's, of names that it cannot write, or cuts so that one would be there twice.
        return
    core = unpack.stage(str(path), str(folder / "core"), facts, sha256(path))
    library = Path(core.folder, LIBRARY)
    found = {str(file.relative_to(library)) for file in library.rglob("*") if file.is_file()}
    assert set(listed) <= found
    for form in ("NFC", "NFD"):
        assert len({unicodedata.normalize(form, name).casefold() for name in found}) == len(found)
    assert not any(part.endswith((".", " ")) for name in found for part in name.split("/"))
    assert not any(zip_checks._DEVICES.fullmatch(part) for name in found for part in name.split("/"))
