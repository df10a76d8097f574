"""What a wheel says of itself must be true, and what was unpacked must stay what it was."""

from __future__ import annotations

import os
import py_compile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.core.wheel import verify
from nimbus_sdk.errors import CoreInstallError, CoreIntegrityError
from tests.support.wheels import (
    core_files,
    entry,
    installed,
    issues_of,
    make_wheel,
    record,
    staged,
    wheel_files,
)

INFO = "nimbus_sdk_core-1.0.0.dist-info"


def test_a_good_wheel_tells_its_facts(tmp_path):
    """Version, tag, requirements and importable names are read from a wheel that was found good."""
    path = make_wheel(
        tmp_path,
        "1.2.0",
        {
            **core_files(),
            "_nimbus_native.cpython-311-x86_64-linux-gnu.so": b"",
            "nimbus_sdk_core.libs/a.so": b"",
        },
        requires=("numpy>=1.26", "scipy; extra == 'full'"),
    )
    stored = tmp_path / "downloaded.part"
    os.rename(path, stored)
    facts = verify.check_wheel(str(stored), path.name)
    assert (facts.version, facts.tag, facts.requires_python) == ("1.2.0", "py3-none-any", ">=3.11")
    assert facts.requires == ("numpy>=1.26", "scipy; extra == 'full'")
    assert facts.top_level == ("_nimbus_native", "nimbus_sdk_core")


def test_every_fault_is_reported_at_once(tmp_path):
    """A wheel with several faults is refused with all of them, in one error."""
    files = {**core_files(), "json.py": b"", "../evil.py": b"", "nimbus_sdk_core/NUL": b""}
    path = make_wheel(
        tmp_path, files=files, name="other", declared_version="9", requires=("not a requirement!",)
    )
    issues = "\n".join(issues_of(path))
    for fault in (
        "json",
        "leads out",
        "device",
        "not nimbus_sdk_core",
        "declares version '9'",
        "is not a requirement",
    ):
        assert fault in issues


def test_the_error_lists_its_issues(tmp_path):
    """What is printed names the wheel and each issue on a line of its own."""
    path = make_wheel(tmp_path, declared_version="2")
    with pytest.raises(
        CoreIntegrityError, match=r"nimbus_sdk_core-1\.0\.0-py3-none-any\.whl is refused(.|\n)*\n  - "
    ):
        verify.check_wheel(str(path), path.name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("numpy-1.0.0-py3-none-any.whl", "not that of a wheel of nimbus_sdk_core"),
        ("nimbus_sdk_core.whl", "not that of a wheel"),
        ("nimbus_sdk_core-1.0.0-py3-none-any.zip", "not that of a wheel"),
        ("nimbus_sdk_core-1.0.1-py3-none-any.whl", "declares version"),
    ],
)
def test_a_wrong_name_is_refused(tmp_path, name, fault):
    """The name under which a wheel was published must fit its content."""
    assert any(fault in issue for issue in issues_of(make_wheel(tmp_path), name))


@pytest.mark.parametrize("scheme", ["scripts", "headers", "data", "purelib/../../..", "unknown", ""])
def test_files_for_other_places_are_refused(tmp_path, scheme):
    """A core brings modules, and nothing for other folders of the environment."""
    files = {**core_files(), f"nimbus_sdk_core-1.0.0.data/{scheme}/tool.py": b""}
    assert any(
        "outside" in issue or "leads out" in issue for issue in issues_of(make_wheel(tmp_path, files=files))
    )


def test_data_of_another_wheel_is_refused(tmp_path):
    """The folder of schemes must be the wheel's own."""
    files = {**core_files(), "other-1.0.data/purelib/nimbus_sdk_core_more.py": b""}
    assert any("outside" in issue for issue in issues_of(make_wheel(tmp_path, files=files)))


def test_modules_of_both_library_schemes_are_fine(tmp_path):
    """purelib and platlib are the same folder here."""
    data = "nimbus_sdk_core-1.0.0.data"
    files = {
        **core_files(),
        f"{data}/purelib/_nimbus_a.py": b"",
        f"{data}/platlib/_nimbus_b/__init__.py": b"",
    }
    path = make_wheel(tmp_path, files=files)
    assert verify.check_wheel(str(path), path.name).top_level == ("_nimbus_a", "_nimbus_b", "nimbus_sdk_core")


def test_two_schemes_that_meet_in_one_file_are_refused(tmp_path):
    """Where schemes are opened into one folder, one file may not take the place of another."""
    files = {**core_files(), "nimbus_sdk_core-1.0.0.data/purelib/nimbus_sdk_core/__init__.py": b""}
    assert any("occurs twice" in issue for issue in issues_of(make_wheel(tmp_path, files=files)))


@pytest.mark.parametrize(
    "content",
    [
        b"[console_scripts\nx",
        b"no section",
        b"\xff\xfe\x00",
        b"[console_scripts]\nrun",
        b"[console_scripts]\nx = y:z:q [",
        b"[a]\nb = 1\nb = 2\n[a]\n = c",
        b"\0" * 10,
    ],
)
@pytest.mark.parametrize("file", ["entry_points.txt", "top_level.txt", "direct_url.json"])
def test_metadata_that_the_sdk_does_not_use_may_be_anything(tmp_path, file, content):
    """A core has no scripts and is no plug-in: such a file is compared with RECORD, and not read."""
    core = staged(tmp_path / "core", files={**core_files(), f"{INFO}/{file}": content})
    assert verify.check_installed(core.folder) == ()


@given(
    st.sampled_from(["METADATA", "WHEEL", "RECORD", "entry_points.txt", "RECORD.jws"]),
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
def test_no_metadata_ends_in_a_foreign_error(file, content):
    """Whatever its files contain, a wheel is usable or refused."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "nimbus_sdk_core-1.0.0-py3-none-any.whl")
        entries = wheel_files()
        entries[f"{INFO}/RECORD"] = record(entries, INFO)
        with ZipFile(path, "w") as archive:
            for name, body in {**entries, f"{INFO}/{file}": content}.items():
                archive.writestr(entry(name), body)
        with suppress(CoreIntegrityError):
            assert verify.check_wheel(str(path), path.name).version == "1.0.0"


@pytest.mark.parametrize(
    "module", ["json.py", "numpy/__init__.py", "nimbus_sdk/__init__.py", "os.so", "site.pyd"]
)
def test_modules_that_are_not_the_cores_are_refused(tmp_path, module):
    """A core cannot take the place of another package in the process that loads it."""
    issues = issues_of(make_wheel(tmp_path, files={**core_files(), module: b""}))
    assert any("does not belong to the core" in issue for issue in issues)


def test_a_wheel_without_the_package_is_refused(tmp_path):
    """There must be something to import."""
    assert any(
        "no package" in issue for issue in issues_of(make_wheel(tmp_path, files={"nimbus_sdk_core.txt": b""}))
    )


def test_a_second_dist_info_is_refused(tmp_path):
    """A wheel describes one project."""
    files = {
        **core_files(),
        "nimbus_sdk_core-2.0.0.dist-info/METADATA": b"Name: nimbus_sdk_core\nVersion: 2.0.0\n",
    }
    assert any("2 .dist-info folders" in issue for issue in issues_of(make_wheel(tmp_path, files=files)))


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("METADATA", b"\xff\xfe", "METADATA': cannot be read (UnicodeDecodeError)"),
        ("METADATA", b"Name: nimbus_sdk_core\nVersion: one\n", "declares version 'one'"),
        (
            "METADATA",
            b"Name: nimbus_sdk_core\nVersion: 1.0\nRequires-Python: python 3\n",
            "does not name versions",
        ),
        (
            "METADATA",
            b"Name: nimbus_sdk_core\nVersion: 1.0\nVersion: 2.0\n",
            "has more than one Version",
        ),
        ("WHEEL", b"Wheel-Version: 2.0\n", "does not declare version 1 of the format"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(tmp_path, file, content, fault):
    """METADATA and WHEEL must be readable and true."""
    files = {**core_files(), f"{INFO}/{file}": content}
    assert any(fault in issue for issue in issues_of(make_wheel(tmp_path, files=files)))


def test_a_wheel_without_metadata_is_refused(tmp_path):
    """A missing METADATA is an issue like any other."""
    path = make_wheel(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"METADATA", b"METADATB"))
    assert any("METADATA': cannot be read (KeyError)" in issue for issue in issues_of(path))


def test_endless_metadata_is_refused(tmp_path, monkeypatch):
    """METADATA is read up to a bound."""
    monkeypatch.setattr(verify, "MOST_METADATA_BYTES", 20)
    assert any("too long" in issue for issue in issues_of(make_wheel(tmp_path)))


def test_equal_versions_in_other_spelling_are_fine(tmp_path):
    """1.0 and 1.0.0 are one version (PEP 440)."""
    path = make_wheel(tmp_path, declared_version="1.0")
    assert verify.check_wheel(str(path), path.name).version == "1.0.0"


def test_a_wheel_that_is_gone_is_reported(tmp_path):
    """A file that cannot be read is the disk's refusal, not the wheel's fault."""
    with pytest.raises(CoreInstallError, match="No such file"):
        verify.check_wheel(str(tmp_path / "gone"), "nimbus_sdk_core-1.0.0-py3-none-any.whl")


def test_an_installed_core_is_compared_by_hash(tmp_path):
    """Missing, changed and unexpected files are each named; bytecode that Python wrote is none of these."""
    core = installed(tmp_path / "core")
    library = Path(core.library)
    py_compile.compile(str(library / "nimbus_sdk_core" / "__init__.py"))
    assert verify.check_installed(core.folder) == ()

    model = library / "nimbus_sdk_core" / "data" / "model.bin"
    content = bytearray(model.read_bytes())
    content[0] ^= 1
    model.write_bytes(content)
    (library / "nimbus_sdk_core" / "evil.py").write_bytes(b"")
    (library / "linked").symlink_to("/etc")
    (library / INFO / "WHEEL").unlink()
    assert verify.check_installed(core.folder) == (
        f"{library / 'linked'} is a link",
        f"{INFO}/WHEEL: is missing",
        "nimbus_sdk_core/data/model.bin: was changed",
        "'linked': is not part of the core",
        "'nimbus_sdk_core/evil.py': is not part of the core",
    )


def test_a_file_of_another_length_or_kind_is_changed(tmp_path):
    """A longer file and a link in its place are both changes."""
    core = installed(tmp_path / "core")
    package = Path(core.library) / "nimbus_sdk_core"
    (package / "__init__.py").write_bytes(b"pass")
    model = package / "data" / "model.bin"
    os.rename(model, tmp_path / "elsewhere")
    model.symlink_to(tmp_path / "elsewhere")
    assert verify.check_installed(core.folder) == (
        f"{model} is a link",
        "nimbus_sdk_core/__init__.py: was changed",
        "nimbus_sdk_core/data/model.bin: was changed",
    )


def test_a_manifest_that_is_gone_is_reported(tmp_path):
    """Without its manifest nothing can be said of an installation."""
    core = installed(tmp_path / "core")
    (Path(core.folder) / "manifest.json").unlink()
    with pytest.raises(CoreIntegrityError, match="no manifest"):
        verify.check_installed(core.folder)
