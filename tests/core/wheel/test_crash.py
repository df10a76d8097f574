"""Whatever happens while a core is installed, the old state or the new one holds, and nothing between."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nimbus_sdk.core.wheel import unpack, verify, versions
from nimbus_sdk.core.wheel.manifest import find_core
from nimbus_sdk.errors import CoreInstallError
from tests.support.wheels import fresh_python, installed, make_wheel, sha256

CALLS = ("open", "write", "fsync", "replace", "mkdir")

KILL_EVERYWHERE = """
import os, signal, sys
from nimbus_sdk.core.wheel import unpack, verify, versions
from nimbus_sdk.core.wheel.manifest import find_core

wheel, name, digest, core_folder, calls = sys.argv[1:]
facts = verify.check_wheel(wheel, name)

def killed_at(place):
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    count = 0
    def counted(real):
        def call(*arguments, **more):
            nonlocal count
            count += 1
            if count == place:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **more)
        return call
    for call in calls.split(","):
        setattr(os, call, counted(getattr(os, call)))
    versions.switch(core_folder, unpack.stage(wheel, core_folder, facts, digest))
    os._exit(0)

place = 1
while killed_at(place):
    core = find_core(core_folder)
    faults = verify.check_installed(core.folder)
    print(place, core.version, *faults)
    versions.rollback(core_folder) if core.version != "1.0.0" else None
    place += 1
core = find_core(core_folder)
print("end", core.version, *verify.check_installed(core.folder))
"""


def prepared(tmp_path: Path) -> tuple[Path, Path, list[str]]:
    """A core in use, and the wheel of the next."""
    core_folder = tmp_path / "core"
    installed(core_folder, "1.0.0")
    wheel = make_wheel(tmp_path / "next", "1.1.0")
    return core_folder, wheel, [str(wheel), wheel.name, sha256(wheel), str(core_folder)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")
def test_a_process_killed_at_any_step_leaves_the_old_core_or_the_new(tmp_path):
    """kill -9 before each single call to the disk: what is in use afterwards is one version, whole."""
    core_folder, _, arguments = prepared(tmp_path)
    done = fresh_python(KILL_EVERYWHERE, *arguments, ",".join(CALLS), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *steps, end = [line.split() for line in done.stdout.splitlines()]
    assert end == ["end", "1.1.0"]
    assert len(steps) > 20
    assert all(len(step) == 2 for step in steps), "files were damaged"
    seen = [version for _, version in steps]
    switched = seen.index("1.1.0")
    assert set(seen[:switched]) == {"1.0.0"}
    assert set(seen[switched:]) == {"1.1.0"}

    left_over = list(core_folder.glob("*/*.staging"))
    assert left_over
    for path in core_folder.glob("*/*"):
        os.utime(path, (0, 0))
    versions.prune(str(core_folder))
    assert not list(core_folder.glob("*/*.staging"))
    assert find_core(str(core_folder)).version == "1.1.0"


def test_a_child_killed_by_the_test_was_killed(tmp_path):
    """The harness above really kills: a child that is killed at its first call did nothing."""
    core_folder, _, arguments = prepared(tmp_path)
    code = KILL_EVERYWHERE.split("place = 1")[0] + "assert killed_at(1)\n"
    done = fresh_python(code, *arguments, ",".join(CALLS), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(core_folder)) == ["1.0.0", "current.json"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [errno.ENOSPC, pytest.param(errno.EACCES, marks=pytest.mark.qualification)])
def test_every_refusal_by_the_disk_leaves_the_old_core_or_the_new(tmp_path, monkeypatch, call, code):
    """Each single call to the disk is refused in turn: the error is ours and names the folder, and one
    version is in use, whole; nothing half-written stays behind."""
    core_folder, wheel, _ = prepared(tmp_path)
    facts = verify.check_wheel(str(wheel), wheel.name)
    real = getattr(os, call)
    refusals = 0
    for place in range(1, 200):
        count = 0

        def refusing(*arguments, place=place, **more):
            nonlocal count
            count += 1
            if count == place:
                raise OSError(code, os.strerror(code))
            return real(*arguments, **more)

        error = None
        with monkeypatch.context() as patched:
            patched.setattr(os, call, refusing)
            try:
                core = unpack.stage(str(wheel), str(core_folder), facts, "0" * 64)
                versions.switch(str(core_folder), core)
            except CoreInstallError as caught:
                error = caught
        used = find_core(str(core_folder))
        assert verify.check_installed(used.folder) == ()
        assert used.version == ("1.1.0" if error is None else "1.0.0")
        assert not list(core_folder.glob("**/*.staging"))
        assert not list(core_folder.glob("**/*.tmp"))
        if count < place:
            break
        if error is None:
            # Syncing a folder is refused by some file systems; all else went well.
            assert call in ("open", "fsync")
            versions.rollback(str(core_folder))
        else:
            refusals += 1
            assert str(core_folder) in str(error)
            assert os.strerror(code) in str(error)
    assert refusals


def test_a_refusal_while_uninstalling_is_reported(tmp_path, monkeypatch):
    """What cannot be removed is reported, and what is in use is never half of a core."""
    core_folder, _, _ = prepared(tmp_path)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        with pytest.raises(CoreInstallError, match="Read-only file system"):
            versions.uninstall(str(core_folder))
    assert verify.check_installed(find_core(str(core_folder)).folder) == ()
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        with pytest.raises(CoreInstallError, match="Read-only file system"):
            versions.uninstall(str(core_folder))
    assert find_core(str(core_folder)) is None


def test_a_refusal_while_discarding_is_reported(tmp_path, monkeypatch):
    """A core that cannot be removed is named."""
    core_folder, _, _ = prepared(tmp_path)
    core = find_core(str(core_folder))
    monkeypatch.setattr(os, "rmdir", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EBUSY, "busy")))
    with pytest.raises(CoreInstallError, match="busy"):
        unpack.discard(core)
