"""A wheel becomes an installation of its own, whole, and is proven to load before anything points to it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from zipfile import ZipExtFile, ZipFile

import pytest

from nimbus_sdk.core.wheel import unpack, verify
from nimbus_sdk.core.wheel.manifest import read_manifest
from nimbus_sdk.core.wheel.unpack import inside, write_file
from nimbus_sdk.errors import CoreInstallError, CoreIntegrityError
from tests.support.wheels import (
    SOURCE,
    core_files,
    entry,
    make_wheel,
    sha256,
    staged,
)


def test_a_staged_core_is_whole_and_private(core_folder):
    """Every file is there with its hash, for this user alone, in a folder of its own below the version's."""
    core = staged(core_folder, "1.2.0", requires=("numpy>=1.26",))
    folder = Path(core.folder)
    assert folder.parent == core_folder / "1.2.0"
    assert sorted(path.name for path in folder.iterdir()) == ["lib", "manifest.json"]
    assert os.listdir(core_folder) == ["1.2.0"]
    assert read_manifest(str(folder)) == core
    assert verify.check_installed(str(folder)) == ()
    assert set(core.files) == {
        "nimbus_sdk_core/__init__.py",
        "nimbus_sdk_core/data/model.bin",
        "nimbus_sdk_core-1.2.0.dist-info/METADATA",
        "nimbus_sdk_core-1.2.0.dist-info/WHEEL",
    }
    assert (core.version, core.tag, core.top_level) == ("1.2.0", "py3-none-any", ("nimbus_sdk_core",))
    assert (core.requires, core.requires_python) == (("numpy>=1.26",), ">=3.11")
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_each_file_is_inflated_and_hashed_once(core_folder, tmp_path, monkeypatch):
    """RECORD is checked while the files are written: no content is read a second time."""
    content = os.urandom(3 * 2**20)
    wheel = make_wheel(tmp_path, files={**core_files(), "nimbus_sdk_core/data/large.bin": content})
    read = 0
    real = ZipExtFile.read

    def counted(self, *arguments):
        nonlocal read
        chunk = real(self, *arguments)
        read += len(chunk)
        return chunk

    monkeypatch.setattr(ZipExtFile, "read", counted)
    facts = verify.check_wheel(str(wheel), wheel.name)
    assert read < 10_000
    core = unpack.stage(str(wheel), str(core_folder), facts, sha256(wheel))
    assert len(content) < read < len(content) + 20_000
    assert core.files["nimbus_sdk_core/data/large.bin"] == (hashlib.sha256(content).hexdigest(), len(content))


def test_the_manifest_is_plain_json(core_folder):
    """Another program can read what is installed."""
    core = staged(core_folder)
    fields = json.loads(Path(core.folder, "manifest.json").read_bytes())
    assert fields["format"] == 1
    assert fields["files"]["nimbus_sdk_core/__init__.py"] == list(core.files["nimbus_sdk_core/__init__.py"])


def test_scripts_are_not_written(core_folder):
    """Commands of a wheel belong to an environment; a core has none."""
    info = "nimbus_sdk_core-1.0.0.dist-info"
    files = {
        **core_files(),
        f"{info}/entry_points.txt": b"[console_scripts]\nnimbus = nimbus_sdk_core:main\n",
    }
    core = staged(core_folder, files=files)
    assert not [name for name in core.files if name.endswith(("/nimbus", "nimbus.exe"))]
    assert verify.check_installed(core.folder) == ()


def test_executables_and_schemes_stay(core_folder):
    """A file that may be run still may, and modules of both library schemes lie side by side."""
    data = "nimbus_sdk_core-1.0.0.data"
    wheel = make_wheel(
        core_folder.parent,
        files={
            **core_files(),
            f"{data}/platlib/_nimbus_fast.py": b"",
            "nimbus_sdk_core/tool": b"#!/bin/sh\n",
        },
    )
    raised = wheel.with_name("raised.whl")
    with ZipFile(wheel) as source, ZipFile(raised, "w") as target:
        for info in source.infolist():
            mode = 0o100755 if info.filename.endswith("tool") else 0o100644
            target.writestr(entry(info.filename, mode=mode), source.read(info))
    facts = verify.check_wheel(str(raised), wheel.name)
    core = unpack.stage(str(raised), str(core_folder), facts, sha256(raised))
    assert stat.S_IMODE(Path(core.library, "nimbus_sdk_core", "tool").stat().st_mode) == 0o700
    assert Path(core.library, "_nimbus_fast.py").is_file()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/../../x", "a\0b", "a/../.."])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    """The one place that joins a name from a wheel to a folder refuses what is outside."""
    root = tmp_path / "root"
    with pytest.raises(CoreIntegrityError, match="outside"):
        inside(str(root), name)


def test_an_absolute_name_stays_in_the_folder(tmp_path):
    """A slash at the start changes nothing."""
    assert inside(str(tmp_path), "/etc/passwd") == str(tmp_path / "etc" / "passwd")


def test_a_file_is_never_written_over(tmp_path):
    """Two entries for one file end the installation, whatever was checked before."""
    wheel = make_wheel(tmp_path)
    listed = verify.check_wheel(str(wheel), wheel.name).files["nimbus_sdk_core/__init__.py"]
    (tmp_path / "a.py").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError), ZipFile(wheel) as archive:
        write_file(archive, listed, str(tmp_path / "a.py"))
    assert not (tmp_path / "elsewhere").exists()


def test_a_wheel_that_changed_after_the_check_is_refused(core_folder, tmp_path):
    """Between check and use nothing may change; and nothing is left behind."""
    wheel = make_wheel(tmp_path)
    facts = verify.check_wheel(str(wheel), wheel.name)
    wheel.write_bytes(wheel.read_bytes().replace(b"METADATA", b"METADATB"))
    content = bytearray(wheel.read_bytes())
    content[45] ^= 0xFF
    wheel.write_bytes(content)
    with pytest.raises(CoreIntegrityError, match="is refused"):
        unpack.stage(str(wheel), str(core_folder), facts, sha256(wheel))
    assert list(core_folder.rglob("*.staging")) == []


def test_a_wheel_that_is_gone_is_reported(core_folder, tmp_path):
    """A refusal by the disk names the core's folder."""
    wheel = make_wheel(tmp_path)
    facts = verify.check_wheel(str(wheel), wheel.name)
    wheel.unlink()
    with pytest.raises(CoreInstallError, match=str(core_folder)):
        unpack.stage(str(wheel), str(core_folder), facts, "0" * 64)


def test_ctrl_c_leaves_nothing(core_folder, tmp_path, monkeypatch):
    """An installation that was broken off is cleared away."""

    def interrupt(*_):
        raise KeyboardInterrupt

    wheel = make_wheel(tmp_path)
    facts = verify.check_wheel(str(wheel), wheel.name)
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        unpack.stage(str(wheel), str(core_folder), facts, "0" * 64)
    assert list((core_folder / "1.0.0").iterdir()) == []


def test_a_good_core_passes_the_probe(core_folder):
    """A core that offers every required name loads in a process of its own."""
    unpack.probe(staged(core_folder))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ImportError('no such engine')", "ImportError: no such engine"),
        ("import absent_module", "No module named 'absent_module'"),
        ("def (", "SyntaxError"),
        (SOURCE.replace("def predict_batch", "def forecast"), "it does not offer predict_batch"),
        (f"{SOURCE}\nPROTOCOL_VERSION = 9", "it follows version 9 of the protocol, not 1"),
        ("import sys; sys.exit(0)", "it ended with status 0"),
        ("import os; os._exit(3)", "it ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", "it ended with status -9"),
        ("x = 'y' * 10_000; raise ValueError(x)", "ValueError: yyy"),
    ],
)
def test_a_core_that_does_not_load_fails_the_probe(core_folder, source, words):
    """Whatever way it fails, the error names the core and ends with the process's last words, in short."""
    core = staged(core_folder, files={"nimbus_sdk_core/__init__.py": source.encode()})
    with pytest.raises(CoreInstallError) as caught:
        unpack.probe(core)
    assert words in str(caught.value)
    assert "previous version stays in use" in str(caught.value)
    assert len(str(caught.value)) < 700
    unpack.discard(core)
    assert os.listdir(core_folder) == []


def test_a_core_that_hangs_fails_the_probe(core_folder, monkeypatch):
    """A core that does not finish loading is given up."""
    monkeypatch.setattr(unpack, "PROBE_SECONDS", 0.3)
    core = staged(core_folder, files={"nimbus_sdk_core/__init__.py": b"import time; time.sleep(30)"})
    with pytest.raises(CoreInstallError, match="took more than"):
        unpack.probe(core)


def test_the_probe_sees_nothing_of_the_users_own(core_folder, tmp_path, monkeypatch):
    """No NIMBUS_ variable reaches it, and no file beside a script or on PYTHONPATH is imported instead."""
    source = SOURCE + (
        "\nimport os, sys\n"
        "assert not [name for name in os.environ if name.startswith('NIMBUS_')], sorted(os.environ)\n"
        "assert os.getcwd() == os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..', '..'))\n"
        "assert '' not in sys.path and os.getcwd() not in sys.path, sys.path\n"
    )
    shadows = tmp_path / "shadows"
    shadows.mkdir()
    (shadows / "nimbus_sdk_core.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(shadows)
    monkeypatch.setenv("PYTHONPATH", str(shadows))
    monkeypatch.setenv("PYTHONINSPECT", "1")
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_test_" + "0" * 48)
    unpack.probe(staged(core_folder, files=core_files(source=source)))


def test_a_core_finds_what_this_process_can_import(core_folder, tmp_path, monkeypatch):
    """A folder that the program has added to sys.path is searched by the probe too."""
    (tmp_path / "appended").mkdir()
    (tmp_path / "appended" / "vendored_engine.py").write_text("")
    core = staged(core_folder, files=core_files(source=f"import vendored_engine\n{SOURCE}"))
    with pytest.raises(CoreInstallError, match="vendored_engine"):
        unpack.probe(core)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, "appended"])
    unpack.probe(core)


def test_a_program_without_an_interpreter_is_reported(core_folder, monkeypatch):
    """Nothing is switched to unproven."""
    core = staged(core_folder)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(CoreInstallError, match="with an ordinary Python"):
        unpack.probe(core)


def test_a_python_that_cannot_be_started_is_reported(core_folder, tmp_path, monkeypatch):
    """The name of the interpreter is in the message."""
    broken = tmp_path / "python3"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(CoreInstallError, match=f"{broken} cannot be started"):
        unpack.probe(staged(core_folder))


def test_the_probe_hands_over_no_secret(core_folder, monkeypatch):
    """The command line holds paths and names only."""
    seen = []
    real = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda command, **more: seen.append(command) or real(command, **more)
    )
    core = staged(core_folder)
    unpack.probe(core)
    assert seen[0][:3] == [sys.executable, "-P", "-c"]
    assert seen[0][4:] == [
        core.library,
        "1",
        "nimbus_sdk_core",
        "BCIData,BCIMetadata,NimbusLDA,load_model,predict_batch,__version__",
        json.dumps([os.path.abspath(entry) for entry in sys.path]),
    ]


def test_discarding_keeps_other_installations(core_folder):
    """Only what was to go goes."""
    first, second = staged(core_folder), staged(core_folder)
    unpack.discard(first)
    assert verify.check_installed(second.folder) == ()
    unpack.discard(first)
    assert os.listdir(core_folder / "1.0.0") == [second.install_id]
