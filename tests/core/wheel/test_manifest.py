"""The core in use is found by its pointer and its manifest, and neither is believed blindly."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from nimbus_sdk.core.wheel import versions
from nimbus_sdk.core.wheel.manifest import find_core, missing_files
from nimbus_sdk.errors import CoreInstallError, CoreIntegrityError
from nimbus_sdk.storage.pointer import pointer_path
from tests.support.wheels import installed


def test_nothing_is_in_use_at_first(core_folder):
    """An empty folder, or none, holds no core, and asking makes none."""
    assert find_core(str(core_folder)) is None
    assert versions.installed_versions(str(core_folder)) == ()
    assert not core_folder.exists()


def test_the_whole_folder_may_be_moved(core_folder, tmp_path):
    """Nothing in it is bound to its place."""
    installed(core_folder)
    shutil.move(core_folder, tmp_path / "moved")
    assert missing_files(find_core(str(tmp_path / "moved"))) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"version": ".."},
        {"version": "../.."},
        {"install_id": "a/b"},
        {"folder": "../../etc"},
        {"version": None},
        {"install_id": 5},
        {"previous": "1.0.0"},
        {"previous": {"version": "..", "folder": "../x", "install_id": "x", "previous": None}},
    ],
)
def test_a_pointer_leads_nowhere_else(core_folder, change):
    """Only folders of the core's own can be pointed to."""
    installed(core_folder)
    path = Path(pointer_path(str(core_folder)))
    fields = {**json.loads(path.read_bytes()), **change}
    for name in ("version", "install_id"):
        if name in change and "folder" not in change:
            fields["folder"] = f"{fields['version']}/{fields['install_id']}"
    path.write_text(json.dumps(fields))
    with pytest.raises(CoreIntegrityError):
        find_core(str(core_folder))


@pytest.mark.parametrize(
    "change",
    [
        {"version": None},
        {"files": []},
        {"files": {"a": "b"}},
        {"files": {"a": ["hash"]}},
        {"files": {"a": ["hash", "size"]}},
        {"files": {"a": [None, 5]}},
        {"top_level": "nimbus_sdk_core"},
        {"requires": [5]},
        {"format": 0},
        {"interpreter": None},
        {"version": "1.0.x!"},
        {"version": "1.0.1"},
        {"install_id": "another"},
    ],
)
def test_a_damaged_manifest_is_reported(core_folder, change):
    """A manifest of another shape is not used, and no foreign error escapes."""
    core = installed(core_folder)
    path = Path(core.folder, "manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(CoreIntegrityError, match="damaged"):
        find_core(str(core_folder))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_place_of_a_file_holds_nobody_up(core_folder):
    """Pointer and manifest are read without waiting for a writer; the next switch puts the pointer right."""
    core = installed(core_folder)
    for path in (Path(core.folder, "manifest.json"), Path(pointer_path(str(core_folder)))):
        content = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(CoreIntegrityError, match="is damaged"):
            find_core(str(core_folder))
        if path.name == "manifest.json":
            path.unlink()
            path.write_bytes(content)
    versions.switch(str(core_folder), core)
    assert find_core(str(core_folder)) == core


def test_a_manifest_without_end_is_not_read(core_folder):
    """Far more than any wheel's list of files is damage."""
    core = installed(core_folder)
    os.truncate(Path(core.folder, "manifest.json"), 65 * 2**20)
    with pytest.raises(CoreIntegrityError, match="is damaged"):
        find_core(str(core_folder))


def test_a_pointer_to_nothing_is_reported(core_folder):
    """A folder that somebody removed by hand is damage, not an absent core."""
    core = installed(core_folder)
    shutil.rmtree(core.folder)
    with pytest.raises(CoreIntegrityError, match="manifest"):
        find_core(str(core_folder))


def test_a_pointer_that_cannot_be_read_is_reported(core_folder):
    """A refusal by the disk is reported as such."""
    Path(pointer_path(str(core_folder))).mkdir(parents=True)
    with pytest.raises(CoreInstallError, match="directory"):
        find_core(str(core_folder))
