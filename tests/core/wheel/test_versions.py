"""One pointer says what is in use; it is switched in one step, and back."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from nimbus_sdk.core.wheel import versions
from nimbus_sdk.core.wheel.manifest import find_core, missing_files
from nimbus_sdk.errors import (
    CoreIncompatibleError,
    CoreInstallError,
    CoreIntegrityError,
    CoreNotInstalledError,
)
from nimbus_sdk.storage.pointer import Pointer, pointer_path, read_pointer
from tests.support.wheels import core_files, installed, staged


def version_in_use(core_folder: Path) -> str | None:
    """What a fresh process would load."""
    core = find_core(str(core_folder))
    return None if core is None else core.version


DAY = 86_400.0


def aged(path: Path | str, seconds: float = 15 * DAY) -> None:
    """Make a file or folder look old."""
    os.utime(path, (time.time() - seconds,) * 2)


def age_all(core_folder: Path, seconds: float = 15 * DAY) -> None:
    """Make all that is installed look old."""
    for path in core_folder.glob("*/*"):
        aged(path, seconds)
    for path in core_folder.glob("*"):
        aged(path, seconds)


def test_a_switch_is_remembered(core_folder):
    """The pointer names the version in use and the one before it, by folders relative to the whole."""
    first = installed(core_folder, "1.0.0")
    second = installed(core_folder, "1.1.0")
    assert find_core(str(core_folder)) == second
    assert read_pointer(str(core_folder)) == Pointer(
        "1.1.0",
        f"1.1.0/{second.install_id}",
        second.install_id,
        Pointer("1.0.0", f"1.0.0/{first.install_id}", first.install_id),
    )
    fields = json.loads(Path(pointer_path(str(core_folder))).read_bytes())
    assert sorted(fields) == ["folder", "format", "install_id", "previous", "version"]


def test_only_one_step_back_is_remembered(core_folder):
    """The pointer does not grow."""
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        installed(core_folder, version)
    pointer = read_pointer(str(core_folder))
    assert pointer.previous.version == "1.1.0"
    assert pointer.previous.previous is None


def test_switching_to_what_is_in_use_keeps_the_way_back(core_folder):
    """A repeated switch does not forget what was in use before."""
    installed(core_folder, "1.0.0")
    second = installed(core_folder, "1.1.0")
    versions.switch(str(core_folder), second)
    assert read_pointer(str(core_folder)).previous.version == "1.0.0"


def test_rollback_goes_back_and_forth(core_folder):
    """Going back makes the other the way back."""
    installed(core_folder, "1.0.0")
    installed(core_folder, "1.1.0")
    assert versions.rollback(str(core_folder)).version == "1.0.0"
    assert version_in_use(core_folder) == "1.0.0"
    assert versions.rollback(str(core_folder)).version == "1.1.0"
    assert version_in_use(core_folder) == "1.1.0"


def test_rollback_needs_something_to_go_back_to(core_folder):
    """Without an earlier version, or where it is gone, nothing changes."""
    with pytest.raises(CoreNotInstalledError, match="no previous version"):
        versions.rollback(str(core_folder))
    first = installed(core_folder, "1.0.0")
    with pytest.raises(CoreNotInstalledError):
        versions.rollback(str(core_folder))
    installed(core_folder, "1.1.0")
    shutil.rmtree(first.folder)
    with pytest.raises(CoreNotInstalledError):
        versions.rollback(str(core_folder))
    assert version_in_use(core_folder) == "1.1.0"


def test_use_switches_to_an_installed_version(core_folder):
    """Any version that is there can be used, in its newest installation."""
    installed(core_folder, "1.0.0")
    newest = installed(core_folder, "1.0.0")
    aged(newest.folder)
    installed(core_folder, "1.1.0")
    used = versions.use(str(core_folder), "1.0.0")
    assert used.install_id == max(
        core.install_id for core in versions.installed_versions(str(core_folder)) if core.version == "1.0.0"
    )
    assert find_core(str(core_folder)) == used


def test_use_of_what_is_not_there_is_reported(core_folder):
    """The message lists what is installed."""
    installed(core_folder, "1.0.0")
    with pytest.raises(
        CoreNotInstalledError, match=r"Version 2\.0 of the core is not installed; installed: 1\.0\.0"
    ):
        versions.use(str(core_folder), "2.0")
    assert version_in_use(core_folder) == "1.0.0"


@pytest.mark.parametrize(
    ("wheel", "kind"),
    [
        ({"files": {"nimbus_sdk_core/__init__.py": b"raise ImportError"}}, CoreInstallError),
        ({"requires": ("absent>=1",)}, CoreIncompatibleError),
        ({"requires_python": "<3"}, CoreIncompatibleError),
    ],
)
def test_what_does_not_load_is_not_switched_to(core_folder, wheel, kind):
    """The version in use stays until the other was proven to load."""
    staged(core_folder, "1.1.0", **wheel)
    installed(core_folder, "1.0.0")
    with pytest.raises(kind):
        versions.use(str(core_folder), "1.1.0")
    assert version_in_use(core_folder) == "1.0.0"


def test_what_was_changed_is_not_switched_to(core_folder):
    """A change of the same length is found too, by hash."""
    first = installed(core_folder, "1.0.0")
    installed(core_folder, "1.1.0")
    model = Path(first.library, "nimbus_sdk_core", "data", "model.bin")
    model.write_bytes(bytes(len(model.read_bytes())))
    with pytest.raises(CoreIntegrityError, match=r"Core 1\.0\.0 in .* was changed") as caught:
        versions.rollback(str(core_folder))
    assert caught.value.issues == ("nimbus_sdk_core/data/model.bin: was changed",)
    assert version_in_use(core_folder) == "1.1.0"


def test_versions_are_listed_in_order(core_folder):
    """By version and not by text; damaged and unfinished ones are left out."""
    for version in ("1.10.0", "1.9.0", "2.0.0rc1"):
        staged(core_folder, version)
    broken = staged(core_folder, "3.0.0")
    Path(broken.folder, "manifest.json").write_bytes(b"{")
    (core_folder / "4.0.0" / "x.staging").mkdir(parents=True)
    (core_folder / "notes.txt").write_bytes(b"")
    found = versions.installed_versions(str(core_folder))
    assert [core.version for core in found] == ["1.9.0", "1.10.0", "2.0.0rc1"]


def test_uninstalling_everything(core_folder):
    """Pointer first, then every folder."""
    installed(core_folder, "1.0.0")
    installed(core_folder, "1.1.0")
    assert versions.uninstall(str(core_folder)) == ("1.0.0", "1.1.0")
    assert find_core(str(core_folder)) is None
    assert os.listdir(core_folder) == []
    assert versions.uninstall(str(core_folder)) == ()


def test_uninstalling_the_version_in_use_brings_back_the_one_before(core_folder):
    """What was in use before is in use again."""
    installed(core_folder, "1.0.0")
    installed(core_folder, "1.1.0")
    assert versions.uninstall(str(core_folder), "1.1.0") == ("1.1.0",)
    assert version_in_use(core_folder) == "1.0.0"
    assert read_pointer(str(core_folder)).previous is None
    assert versions.uninstall(str(core_folder), "1.0.0") == ("1.0.0",)
    assert find_core(str(core_folder)) is None


def test_uninstalling_another_version_leaves_the_one_in_use(core_folder):
    """A version that is neither in use nor was before goes without a trace."""
    installed(core_folder, "1.0.0")
    installed(core_folder, "1.1.0")
    staged(core_folder, "1.2.0")
    before = read_pointer(str(core_folder))
    versions.uninstall(str(core_folder), "1.2.0")
    assert read_pointer(str(core_folder)) == before
    versions.uninstall(str(core_folder), "1.0.0")
    assert version_in_use(core_folder) == "1.1.0"
    assert read_pointer(str(core_folder)).previous is None


def test_uninstalling_with_two_installations_of_the_version_in_use(core_folder):
    """All installations of a version go, also the one before the one in use."""
    installed(core_folder, "1.0.0")
    installed(core_folder, "1.0.0")
    assert versions.uninstall(str(core_folder), "1.0.0") == ("1.0.0",)
    assert find_core(str(core_folder)) is None


def test_uninstalling_what_is_not_there_is_reported(core_folder):
    """Nothing goes that was not named."""
    with pytest.raises(CoreNotInstalledError, match="installed: none"):
        versions.uninstall(str(core_folder), "1.0.0")


def test_a_damaged_pointer_is_reported_and_replaced(core_folder):
    """It is not taken for an absent core; the next switch or a full uninstall mends it."""
    core = installed(core_folder)
    pointer = Path(pointer_path(str(core_folder)))
    for content in (b"", b"{", b"[]", b"null", b'{"format": 0}', b'{"format": 1}', b"[" * 10_000, b"\xff"):
        pointer.write_bytes(content)
        with pytest.raises(CoreIntegrityError, match="damaged"):
            find_core(str(core_folder))
    with pytest.raises(CoreIntegrityError):
        versions.prune(str(core_folder))
    assert missing_files(core) == ()
    versions.switch(str(core_folder), core)
    assert find_core(str(core_folder)) == core
    pointer.write_bytes(b"{")
    assert versions.uninstall(str(core_folder)) == ("1.0.0",)
    assert not pointer.exists()


def test_a_pointer_of_a_newer_version_stays_where_it_is(core_folder):
    """It is not taken for a damaged one: nothing is switched, removed or written over."""
    core = installed(core_folder)
    pointer = Path(pointer_path(str(core_folder)))
    content = pointer.read_bytes().replace(b'"format": 1', b'"format": 2')
    pointer.write_bytes(content)
    for act in (
        find_core,
        versions.prune,
        versions.uninstall,
        versions.rollback,
        lambda folder: versions.switch(folder, core),
    ):
        with pytest.raises(CoreIncompatibleError, match=r"newer version of the SDK.*Update"):
            act(str(core_folder))
    assert pointer.read_bytes() == content
    assert missing_files(core) == ()


def test_an_installation_of_a_newer_version_is_left_alone(core_folder):
    """It is not listed, since this version cannot use it, and another one can be installed beside it."""
    core = installed(core_folder)
    manifest = Path(core.folder, "manifest.json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(CoreIncompatibleError, match="newer version"):
        find_core(str(core_folder))
    assert versions.installed_versions(str(core_folder)) == ()
    other = installed(core_folder)
    assert find_core(str(core_folder)) == other
    assert manifest.exists()


def test_an_installation_without_a_version_is_left_out(core_folder):
    """A folder that was renamed by hand, manifest and all, makes no command stumble."""
    installed(core_folder, "1.0.0")
    odd = staged(core_folder, "1.1.0")
    (core_folder / "1.1.0").rename(core_folder / "1.1.x!")
    path = core_folder / "1.1.x!" / odd.install_id / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "version": "1.1.x!"}))
    assert [core.version for core in versions.installed_versions(str(core_folder))] == ["1.0.0"]
    for go in (versions.use, versions.uninstall):
        with pytest.raises(CoreNotInstalledError, match=r"installed: 1\.0\.0"):
            go(str(core_folder), "0.9")


def test_pruning_keeps_what_is_in_use_and_what_was(core_folder):
    """Two versions stay; older ones and leftovers of killed processes go."""
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        installed(core_folder, version)
    (core_folder / "1.3.0" / "killed.staging" / "lib").mkdir(parents=True)
    (core_folder / "1.3.0" / "gone.removed").mkdir()
    (core_folder / "current.json.1-a.tmp").write_bytes(b"")
    (core_folder / "1.4.0").mkdir()
    age_all(core_folder)
    versions.prune(str(core_folder))
    assert sorted(os.listdir(core_folder)) == ["1.1.0", "1.2.0", "1.3.0", "current.json"]
    age_all(core_folder)
    versions.prune(str(core_folder))
    assert sorted(os.listdir(core_folder)) == ["1.1.0", "1.2.0", "current.json"]
    assert versions.rollback(str(core_folder)).version == "1.1.0"


def test_pruning_leaves_what_a_running_program_may_have_loaded(core_folder):
    """A core takes modules from its folder while it works: after two updates they are still there."""
    first = installed(core_folder, "1.0.0")
    installed(core_folder, "1.1.0")
    installed(core_folder, "1.2.0")
    (core_folder / "1.3.0" / "killed.staging").mkdir(parents=True)
    age_all(core_folder, 13 * DAY)
    versions.prune(str(core_folder))
    assert missing_files(first) == ()
    assert not (core_folder / "1.3.0" / "killed.staging").exists()


def test_pruning_leaves_what_is_young(core_folder):
    """Another process may be about to switch to it."""
    installed(core_folder, "1.0.0")
    other = staged(core_folder, "2.0.0")
    (core_folder / "1.3.0" / "busy.staging").mkdir(parents=True)
    (core_folder / "current.json.1-a.tmp").write_bytes(b"")
    versions.prune(str(core_folder))
    assert missing_files(other) == ()
    assert (core_folder / "1.3.0" / "busy.staging").is_dir()
    assert (core_folder / "current.json.1-a.tmp").exists()


def hold(monkeypatch, core_folder, folder):
    """Make it Windows, where a program has loaded a module from a folder: it cannot be renamed."""
    real = os.replace

    def replace(source, target):
        if source == folder:
            raise PermissionError(errno.EACCES, "Access is denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_a_core_that_a_program_has_loaded_on_windows_is_uninstalled_all_the_same(
    core_folder, monkeypatch, caplog
):
    """The program goes on with it, nobody else finds it, and a later run removes its folder."""
    core = installed(core_folder, "1.0.0")
    with monkeypatch.context() as patched:
        hold(patched, core_folder, core.folder)
        assert versions.uninstall(str(core_folder)) == ("1.0.0",)
    assert "is still in use and will be removed later" in caplog.text
    assert find_core(str(core_folder)) is None
    assert versions.installed_versions(str(core_folder)) == ()
    assert os.path.exists(os.path.join(core.library, "nimbus_sdk_core", "__init__.py"))
    versions.prune(str(core_folder))
    assert not os.path.exists(core.folder)


def test_uninstalling_everything_removes_what_killed_processes_left(core_folder):
    """No file of any core stays, however young."""
    installed(core_folder, "1.0.0")
    (core_folder / "1.0.0" / "killed.removed" / "lib").mkdir(parents=True)
    (core_folder / "1.3.0" / "killed.staging").mkdir(parents=True)
    (core_folder / "current.json.1-a.tmp").write_bytes(b"")
    assert versions.uninstall(str(core_folder)) == ("1.0.0",)
    assert os.listdir(core_folder) == []


def test_pruning_nothing(core_folder):
    """Where nothing was installed there is nothing to tidy up."""
    versions.prune(str(core_folder))
    assert not core_folder.exists()


def test_pruning_beside_another_process_that_prunes(core_folder, monkeypatch):
    """What vanishes under our hands is as good as removed."""
    installed(core_folder, "1.0.0")
    old = staged(core_folder, "0.9.0")
    age_all(core_folder)
    real = versions._installations

    def vanishing(folder):
        found = list(real(folder))
        shutil.rmtree(old.folder, ignore_errors=True)
        return found

    monkeypatch.setattr(versions, "_installations", vanishing)
    versions.prune(str(core_folder))
    assert version_in_use(core_folder) == "1.0.0"


def test_another_users_folder_is_refused(core_folder, monkeypatch):
    """A core is never put where someone else can change it."""
    core_folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **more: _owned(real(path, **more), os.getuid() + 2))
    with pytest.raises(CoreInstallError, match="belongs to another user"):
        staged(core_folder)


def _owned(found: os.stat_result, uid: int) -> os.stat_result:
    fields = list(found)
    fields[4] = uid
    return os.stat_result(fields)


def test_a_wheel_with_other_content_is_another_installation(core_folder):
    """One version may be installed again with other content; each installation keeps its own."""
    first = installed(core_folder)
    second = installed(core_folder, files=core_files(source="from nimbus_sdk_core.more import *\n"))
    assert first.files != second.files
    assert find_core(str(core_folder)).install_id == second.install_id
