"""Wheels are built once, edited, and stay valid."""

from __future__ import annotations

import subprocess
import sys
from zipfile import ZIP_STORED, ZipFile

import pytest
from installer.sources import WheelFile

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox
from tests.support.sandbox_requests import core_metadata, first_asset_path, import_core


def test_the_next_sandbox_uses_the_same_folder(tmp_path, core_source):
    """A wheel in the folder is not built again, unless the sources changed."""
    with Sandbox(wheel_dir=tmp_path, core_source=core_source) as sandbox:
        first = first_asset_path(sandbox.publish("0.6.0"))
        built_at = first.stat().st_mtime_ns
    with Sandbox(wheel_dir=tmp_path, core_source=core_source) as sandbox:
        again = first_asset_path(sandbox.publish("0.6.0"))
    assert (again, again.stat().st_mtime_ns) == (first, built_at)
    assert not list(tmp_path.glob("draft-*"))


def test_processes_that_build_at_once_share_one_wheel(tmp_path, core_source):
    """Two processes that need the same wheel in the same folder both get it, and leave one."""
    code = (
        "import sys; from pathlib import Path\n"
        "from nimbus_sdk.sandbox.github.wheel_cache import WheelCache, WheelSpec\n"
        "print(WheelCache(Path(sys.argv[1]), Path(sys.argv[2])).wheel(WheelSpec()))"
    )
    command = [sys.executable, "-c", code, str(core_source), str(tmp_path / "wheels")]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {builder.communicate(timeout=30)[0].strip() for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0]
    assert printed == {str(path) for path in tmp_path.glob("wheels/*/*.whl")}
    assert len(printed) == 1


def test_a_published_version_is_in_name_metadata_and_module(sandbox):
    """Publishing sets the version everywhere, and the wheel matches its RECORD."""
    path = first_asset_path(sandbox.publish("2.5.0rc1"))
    assert path.name == "nimbus_sdk_core-2.5.0rc1-py3-none-any.whl"
    assert "\nVersion: 2.5.0rc1\n" in core_metadata(path)
    assert import_core(path).stdout.strip() == "2.5.0rc1"
    with WheelFile.open(path) as wheel:
        wheel.validate_record()


def test_a_broken_core_is_a_valid_wheel_and_fails_on_import(sandbox):
    """A broken core matches its RECORD and raises ImportError."""
    path = first_asset_path(sandbox.publish("0.5.0", broken=True))
    with WheelFile.open(path) as wheel:
        wheel.validate_record()
    tried = import_core(path)
    assert tried.returncode != 0
    assert "ImportError: This core was made to fail on import." in tried.stderr


def test_sources_that_are_not_a_project_are_refused(tmp_path):
    """A folder without pyproject.toml builds no core."""
    with Sandbox(core_source=tmp_path) as sandbox, pytest.raises(ConfigurationError, match="pyproject"):
        sandbox.publish("1.0")


def test_the_reference_core_is_built():
    """The open reference core is built into a wheel that matches its RECORD."""
    with Sandbox() as sandbox:
        path = first_asset_path(sandbox.publish("0.9.0"))
        with WheelFile.open(path) as wheel:
            wheel.validate_record()
        assert "Requires-Dist: numpy" in core_metadata(path)


def test_edited_wheels_stay_valid(sandbox):
    """Tags, requirements and padding are where installers look, and RECORD matches."""
    release = sandbox.publish(
        "0.4.0",
        padding=300_000,
        tags=("py3-none-any", "cp39.cp310-abi3-win_amd64"),
        requires=("lorem-ipsum>=9",),
        requires_python=">=3.99",
    )
    assert [asset.name for asset in release.assets] == [
        "nimbus_sdk_core-0.4.0-py3-none-any.whl",
        "nimbus_sdk_core-0.4.0-cp39.cp310-abi3-win_amd64.whl",
        "SHA256SUMS",
    ]
    assert release.notes.splitlines() == [
        "Requires-Dist: numpy>=1.26",
        "Requires-Dist: lorem-ipsum>=9",
        "Requires-Python: >=3.99",
    ]
    for asset in release.assets[:2]:
        with WheelFile.open(asset.path) as wheel:
            wheel.validate_record()
        assert "Requires-Python: >=3.99\n" in core_metadata(asset.path)
        with ZipFile(asset.path) as archive:
            filler = archive.getinfo("nimbus_sdk_core/_padding.bin")
        assert (filler.file_size, filler.compress_type) == (300_000, ZIP_STORED)
    with ZipFile(release.assets[1].path) as archive:
        assert archive.read("nimbus_sdk_core-0.4.0.dist-info/WHEEL").decode().splitlines()[-2:] == [
            "Tag: cp310-abi3-win_amd64",
            "Tag: cp39-abi3-win_amd64",
        ]
