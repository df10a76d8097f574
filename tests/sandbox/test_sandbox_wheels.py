"""Wheels are real ones, in every variant that a release can be given."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from zipfile import ZIP_STORED, ZipFile

import pytest
from installer.sources import WheelFile

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox


def only_wheel(release):
    """The path of a release's first wheel."""
    return release.assets[0].path


def metadata(path):
    """The METADATA of a wheel, as text."""
    with ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def import_core(path):
    """Import the core straight from its wheel in a process of its own."""
    code = f"import sys; sys.path.insert(0, {str(path)!r}); import nimbus_sdk_core as c; print(c.__version__)"
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)


def test_a_published_version_is_in_name_metadata_and_module(sandbox):
    """Publishing rewrites the version everywhere, and the wheel passes its own RECORD."""
    path = only_wheel(sandbox.publish("2.5.0rc1"))
    assert path.name == "nimbus_sdk_core-2.5.0rc1-py3-none-any.whl"
    assert "\nVersion: 2.5.0rc1\n" in metadata(path)
    assert import_core(path).stdout.strip() == "2.5.0rc1"
    with WheelFile.open(path) as wheel:
        wheel.validate_record()


def test_variants_change_what_they_say_and_stay_valid(sandbox):
    """Tags, requirements and padding are found where installers look, and RECORD fits."""
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
        assert "Requires-Python: >=3.99\n" in metadata(asset.path)
        with ZipFile(asset.path) as archive:
            filler = archive.getinfo("nimbus_sdk_core/_padding.bin")
        assert (filler.file_size, filler.compress_type) == (300_000, ZIP_STORED)
    with ZipFile(release.assets[1].path) as archive:
        assert archive.read("nimbus_sdk_core-0.4.0.dist-info/WHEEL").decode().splitlines()[-2:] == [
            "Tag: cp310-abi3-win_amd64",
            "Tag: cp39-abi3-win_amd64",
        ]


def test_a_broken_core_is_whole_on_disk_and_fails_on_import(sandbox):
    """A broken core passes its RECORD and raises ImportError."""
    path = only_wheel(sandbox.publish("0.5.0", broken=True))
    with WheelFile.open(path) as wheel:
        wheel.validate_record()
    tried = import_core(path)
    assert tried.returncode != 0
    assert "ImportError: This core was made to fail on import." in tried.stderr


def test_a_wheel_folder_serves_the_next_sandbox(tmp_path, core_source):
    """A wheel that is in the folder is not built again, unless the sources changed."""
    with Sandbox(wheel_dir=tmp_path, core_source=core_source) as sandbox:
        first = only_wheel(sandbox.publish("0.6.0"))
        built_at = first.stat().st_mtime_ns
    with Sandbox(wheel_dir=tmp_path, core_source=core_source) as sandbox:
        again = only_wheel(sandbox.publish("0.6.0"))
    assert (again, again.stat().st_mtime_ns) == (first, built_at)
    assert not list(tmp_path.glob("draft-*"))


def test_any_wheel_can_be_released_as_it_is(tmp_path, sandbox, http):
    """A file that is no wheel inside is served all the same: clients must find out."""
    evil = tmp_path / "nimbus_sdk_core-6.6.6-py3-none-any.whl"
    evil.write_bytes(b"not a zip")
    release = sandbox.publish_wheel(evil)
    assert (release.tag, release.notes) == ("v6.6.6", "")
    assert release.assets[0].sha256 == hashlib.sha256(b"not a zip").hexdigest()
    with Sandbox(wheel=evil) as other:
        token = http.get(
            f"{other.api_url}/v1/installer/github-token", headers={"X-API-Key": other.new_key()}
        ).json()["github_token"]
        latest = f"{other.github_url}/repos/nimbusbci/NimbusSDKCore/releases/latest"
        release = http.get(latest, headers={"Authorization": f"Bearer {token}"}).json()
    assert release["tag_name"] == "v6.6.6"


@pytest.mark.parametrize("name", ["core.zip", "nimbus_sdk_core-1.0-py3-none-any.whl"])
def test_files_that_are_no_wheels_are_not_released(tmp_path, sandbox, name):
    """A wrong name and a missing file are configuration errors."""
    if name.endswith(".zip"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigurationError, match="is not a wheel"):
        sandbox.publish_wheel(tmp_path / name)


def test_sources_that_are_no_project_are_refused(tmp_path):
    """A folder without pyproject.toml builds no core."""
    with Sandbox(core_source=tmp_path) as sandbox, pytest.raises(ConfigurationError, match="pyproject"):
        sandbox.publish("1.0")


def test_the_reference_core_is_built_and_loads():
    """The open reference core in this package builds into a wheel that passes its RECORD."""
    with Sandbox() as sandbox:
        path = only_wheel(sandbox.publish("0.9.0"))
        with WheelFile.open(path) as wheel:
            wheel.validate_record()
        assert "Requires-Dist: numpy" in metadata(path)


def test_large_wheels_are_served_fast(sandbox, http):
    """16 MiB stream whole, at more than 20 MB a second even on a busy machine."""
    release = sandbox.publish("0.7.0", padding=2**24)
    asset = release.assets[0]
    token = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()["github_token"]
    link = http.get(
        f"{sandbox.github_url}/repos/nimbusbci/NimbusSDKCore/releases/assets/{asset.id}",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/octet-stream"},
    ).headers["location"]
    state, began = hashlib.sha256(), time.monotonic()
    with http.stream("GET", link) as stream:
        for piece in stream.iter_raw(2**18):
            state.update(piece)
    took = time.monotonic() - began
    assert state.hexdigest() == asset.sha256
    assert asset.size / took > 20e6


def test_a_first_release_that_failed_is_tried_again(tmp_path, http, core_source):
    """While the core cannot be built the release is 500, and as soon as it can it is there."""
    source = tmp_path / "source"
    source.mkdir()
    with Sandbox(core_source=source) as sandbox:
        token = http.get(
            f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
        ).json()["github_token"]
        latest = f"{sandbox.github_url}/repos/nimbusbci/NimbusSDKCore/releases/latest"
        auth = {"Authorization": f"Bearer {token}"}
        assert http.get(latest, headers=auth).status_code == 500
        shutil.copytree(core_source, source, dirs_exist_ok=True)
        assert http.get(latest, headers=auth).json()["tag_name"] == "v0.1.0"


def test_processes_that_build_at_once_share_one_wheel(tmp_path, core_source):
    """Three processes that want the same wheel in the same folder all get it, and leave one."""
    code = (
        "import sys; from pathlib import Path\n"
        "from nimbus_sdk.sandbox.github.wheel_cache import WheelCache\n"
        "from nimbus_sdk.sandbox.github.wheel_edit import WheelSpec\n"
        "print(WheelCache(Path(sys.argv[1]), Path(sys.argv[2])).wheel(WheelSpec(version='0.8.0')))"
    )
    command = [sys.executable, "-c", code, str(core_source), str(tmp_path / "wheels")]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {builder.communicate(timeout=30)[0].strip() for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert said == {str(path) for path in tmp_path.glob("wheels/*/*.whl")}
    assert len(said) == 1
