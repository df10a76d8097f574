"""The installed core, and nothing in its place, is what a process gets."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from nimbus_sdk.core.wheel import loader, versions
from nimbus_sdk.core.wheel.requirements import interpreter
from nimbus_sdk.errors import (
    CoreError,
    CoreIncompatibleError,
    CoreInstallError,
    CoreIntegrityError,
    CoreNotInstalledError,
)
from nimbus_sdk.storage import trust
from tests.support.wheels import SOURCE, core_files, fresh_python, installed, staged

LOAD = """
import json, sys
from nimbus_sdk.core.wheel import loader
from nimbus_sdk.errors import NimbusError
try:
    module = loader.load(sys.argv[1])
    print(json.dumps([module.__version__, module.__file__]))
except NimbusError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    """Every test of this module starts without a core in this process, and leaves none."""
    monkeypatch.setattr(loader, "_loaded", None)
    before, finders = set(sys.modules), list(sys.meta_path)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0].startswith(("nimbus_sdk_core", "_nimbus")):
            del sys.modules[name]
    sys.meta_path[:] = finders


def loaded_by_a_script(
    core_folder: Path, code: str = LOAD, *, cwd: Path | None = None, **environ: str
) -> list[str]:
    """What a fresh process gets."""
    done = fresh_python(code, str(core_folder), cwd=cwd or core_folder.parent, **environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_installed_core_is_imported_once(core_folder):
    """The module comes from the installation in use, and the same one is given each time."""
    core = installed(core_folder, "1.2.0")
    assert loader.loaded_core() is None
    module = loader.load(str(core_folder))
    assert module.__version__ == "1.2.0"
    assert module.__file__.startswith(core.library)
    assert loader.load(str(core_folder)) is module
    assert loader.loaded_core() == core
    assert sys.modules["nimbus_sdk_core"] is module


def test_the_search_path_is_not_changed(core_folder):
    """The core's folder is searched for the core's own names only."""
    path = list(sys.path)
    core = installed(core_folder, files={**core_files(), "_nimbus_extra.py": b"answer = 42\n"})
    loader.load(str(core_folder))
    assert sys.path == path
    assert core.library not in sys.path
    import _nimbus_extra  # type: ignore[import-not-found]

    assert _nimbus_extra.answer == 42
    with pytest.raises(ModuleNotFoundError):
        __import__("nimbus_sdk_core.absent")


def test_without_a_core_the_error_says_what_to_run(core_folder):
    """Before installation every use is refused with the command that installs."""
    with pytest.raises(CoreNotInstalledError, match="install_core"):
        loader.load(str(core_folder))
    with pytest.raises(CoreNotInstalledError):
        loader.get_object("load_model", str(core_folder))


def test_names_are_offered_older_ones_too(core_folder):
    """A name of the protocol gives the core's object; an older name gives its successor."""
    installed(core_folder)
    module = loader.load(str(core_folder))
    assert loader.get_object("predict_batch", str(core_folder)) is module.predict_batch
    assert loader.get_object("RxLDAModel", str(core_folder)) is module.NimbusLDA


def test_a_name_that_this_version_does_not_offer_is_reported(core_folder):
    """An optional name that is not there is no AttributeError."""
    installed(core_folder, "1.2.0")
    with pytest.raises(CoreIncompatibleError, match=r"Version 1\.2\.0 of the core does not offer RxGMMModel"):
        loader.get_object("RxGMMModel", str(core_folder))


def test_a_fresh_process_loads_no_network_library(core_folder):
    """Loading costs only what it needs: no library for network, keyring or display, nor packaging."""
    core = installed(core_folder)
    unwanted = (
        "httpcore pydantic keyring tenacity filelock rich typer packaging installer platformdirs dotenv numpy"
    )
    code = LOAD + f"print(json.dumps(sorted(set(sys.modules) & set({unwanted.split()!r}))))"
    assert loaded_by_a_script(core_folder, code) == []
    assert loaded_by_a_script(core_folder)[1].startswith(core.library)


@pytest.mark.parametrize("where", ["cwd", "script", "pythonpath"])
def test_no_file_of_that_name_can_stand_in(core_folder, tmp_path, where):
    """A file nimbus_sdk_core.py in the working directory, beside the script or on PYTHONPATH is not taken."""
    core = installed(core_folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "nimbus_sdk_core.py").write_text("__version__ = 'evil'")
    if where == "script":
        script = elsewhere / "script.py"
        script.write_text(LOAD)
        code = f"import runpy, sys; sys.argv[0] = {str(script)!r}; sys.path.insert(0, {str(elsewhere)!r}); "
        code += f"runpy.run_path({str(script)!r}, run_name='__main__')"
        found = loaded_by_a_script(core_folder, code)
    elif where == "cwd":
        found = loaded_by_a_script(core_folder, cwd=elsewhere)
    else:
        found = loaded_by_a_script(core_folder, PYTHONPATH=str(elsewhere))
    assert found == ["1.0.0", str(Path(core.library, "nimbus_sdk_core", "__init__.py"))]


def test_a_lost_module_is_not_looked_for_elsewhere(core_folder, tmp_path, monkeypatch):
    """Where the core's own file vanished, no other file of that name takes its place."""
    core = installed(core_folder, files={**core_files(), "_nimbus_extra.py": b""})
    loader.load(str(core_folder))
    Path(core.library, "_nimbus_extra.py").unlink()
    (tmp_path / "_nimbus_extra.py").write_text("evil = True")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="_nimbus_extra is missing from the core"):
        __import__("_nimbus_extra")


def test_a_foreign_module_of_that_name_is_reported(core_folder, monkeypatch):
    """Where another module was imported under the core's name, that is said, with the file it came from."""
    installed(core_folder)
    foreign = type(sys)("nimbus_sdk_core")
    foreign.__file__ = "/home/user/nimbus_sdk_core.py"
    for module, origin in ((foreign, foreign.__file__), (None, "an unknown place")):
        monkeypatch.setitem(sys.modules, "nimbus_sdk_core", module)
        with pytest.raises(CoreError, match=f"imported before the core, from {origin}"):
            loader.load(str(core_folder))


def test_a_core_that_is_loaded_already_stays(core_folder, monkeypatch):
    """The core's own module is not foreign, whoever asks again."""
    installed(core_folder)
    module = loader.load(str(core_folder))
    monkeypatch.setattr(loader, "_loaded", None)
    assert loader.load(str(core_folder)) is module


def test_a_switch_counts_from_the_next_process_on(core_folder):
    """This process keeps what it has; a fresh one gets the other; a rollback counts the same way."""
    installed(core_folder, "1.0.0")
    assert loader.load(str(core_folder)).__version__ == "1.0.0"
    installed(core_folder, "1.1.0")
    assert loader.load(str(core_folder)).__version__ == "1.0.0"
    assert loader.loaded_core().version == "1.0.0"
    assert loaded_by_a_script(core_folder)[0] == "1.1.0"
    versions.rollback(str(core_folder))
    assert loaded_by_a_script(core_folder)[0] == "1.0.0"


LATE = """
def __getattr__(name):
    if name in ("init_streaming", "finalize_trial"):
        from importlib import import_module
        return getattr(import_module("nimbus_sdk_core.streaming"), name)
    raise AttributeError(name)
"""


def late_core(streaming: str) -> dict[str, bytes]:
    """A core that leaves a module until it is asked for."""
    files = core_files(source=SOURCE + LATE)
    return {**files, "nimbus_sdk_core/streaming.py": f"{streaming}\ninit_streaming = len\n".encode()}


def test_a_core_that_was_removed_under_a_program_is_reported(core_folder):
    """What it had not imported yet can no longer be imported: no bare ModuleNotFoundError, and what to do."""
    core = installed(core_folder, files=late_core(""))
    loader.load(str(core_folder))
    shutil.rmtree(core.folder)
    with pytest.raises(
        CoreError, match=r"init_streaming cannot be imported: core 1\.0\.0, .* has been removed"
    ) as caught:
        loader.get_object("init_streaming", str(core_folder))
    assert "Restart the program" in str(caught.value)
    with pytest.raises(ModuleNotFoundError, match=r"has been removed\. Restart the program"):
        __import__("nimbus_sdk_core.streaming")
    with pytest.raises(ModuleNotFoundError, match="No module named 'nimbus_sdk_other'"):
        __import__("nimbus_sdk_other")


def test_a_module_that_comes_late_and_lacks_something_is_reported(core_folder):
    """The same words as where the core itself lacks it; with all in place the name is had."""
    installed(core_folder, files=late_core("import absent_module"))
    with pytest.raises(CoreIncompatibleError, match='"absent_module"`'):
        loader.get_object("init_streaming", str(core_folder))


def test_a_module_that_comes_late_is_had(core_folder):
    """And a name that it does not have is refused."""
    installed(core_folder, files=late_core(""))
    assert loader.get_object("init_streaming", str(core_folder)) is len
    with pytest.raises(CoreIncompatibleError, match="does not offer finalize_trial"):
        loader.get_object("finalize_trial", str(core_folder))


def test_loading_notes_that_an_installation_is_used_once_a_day(core_folder, monkeypatch):
    """So that none is tidied away that programs still load; within a day nothing is written."""
    core = installed(core_folder)
    old = time.time() - 20 * 86_400
    os.utime(core.folder, (old, old))
    loader.load(str(core_folder))
    assert time.time() - os.stat(core.folder).st_mtime < 60
    used_today = time.time() - 80_000
    os.utime(core.folder, (used_today, used_today))
    monkeypatch.setattr(loader, "_loaded", None)
    loader.load(str(core_folder))
    assert os.stat(core.folder).st_mtime == pytest.approx(used_today, abs=1)


def test_a_disk_that_takes_no_note_of_use_lets_the_core_load(core_folder, monkeypatch):
    """On a read-only disk nothing is tidied away either."""
    core = installed(core_folder)
    os.utime(core.folder, (0, 0))

    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", refuse)
    assert loader.load(str(core_folder)).__version__ == "1.0.0"


def test_many_threads_get_one_module(core_folder):
    """Threads that load at once wait for one import and get the same module."""
    source = f"import time; time.sleep(0.1)\n{SOURCE}"
    installed(core_folder, files=core_files(source=source))
    code = """
import json, sys, threading
from nimbus_sdk.core.wheel import loader
found, barrier = [], threading.Barrier(8)
def run():
    barrier.wait()
    found.append(loader.load(sys.argv[1]))
threads = [threading.Thread(target=run) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
finders = [finder for finder in sys.meta_path if type(finder).__module__.startswith("nimbus_sdk")]
print(json.dumps([len(found), len(set(map(id, found))), len(finders)]))
"""
    assert loaded_by_a_script(core_folder, code) == [8, 1, 1]


def test_a_thread_may_import_the_core_by_name_while_another_loads_it(core_folder):
    """Neither waits for a lock that the other holds."""
    installed(core_folder)
    code = """
import json, sys, threading, time
import nimbus_sdk
from nimbus_sdk.core.wheel import loader
check = loader.require_interpreter
def check_slowly(*arguments):
    checking.set()
    time.sleep(0.1)
    check(*arguments)
checking, loader.require_interpreter = threading.Event(), check_slowly
become_core = loader.become_core
loader.become_core = lambda module: become_core(module, sys.argv[1])
found = []
def load():
    found.append(loader.load(sys.argv[1]))
def import_by_name():
    checking.wait()
    import nimbus_sdk_core
    found.append(nimbus_sdk_core)
threads = [threading.Thread(target=run, daemon=True) for run in (load, import_by_name)]
[thread.start() for thread in threads]
[thread.join(20) for thread in threads]
print(json.dumps([len(found), len(set(map(id, found)))]))
"""
    assert loaded_by_a_script(core_folder, code) == [2, 1]


def test_finding_the_core_by_name_imports_nothing(core_folder):
    """Python holds its global import lock meanwhile, and another thread may hold a lock that is needed."""
    code = """
import json, sys
from importlib.util import find_spec
import nimbus_sdk
before = set(sys.modules)
find_spec("nimbus_sdk_core")
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    assert loaded_by_a_script(core_folder, code) == []


@pytest.mark.parametrize("damage", ["removed", "shorter", "link", "folder"])
def test_damage_is_seen_before_loading(core_folder, tmp_path, damage):
    """A file that is missing, of another size, or no file at all is reported before code of the core runs."""
    core = installed(core_folder)
    model = Path(core.library, "nimbus_sdk_core", "data", "model.bin")
    content = model.read_bytes()
    model.unlink()
    if damage == "shorter":
        model.write_bytes(content[:-1])
    elif damage == "link":
        (tmp_path / "model.bin").write_bytes(content)
        model.symlink_to(tmp_path / "model.bin")
    elif damage == "folder":
        model.mkdir()
    with pytest.raises(CoreIntegrityError, match="is damaged") as caught:
        loader.load(str(core_folder))
    link = (f"{model} is a link",) if damage == "link" else ()
    assert caught.value.issues == (*link, "nimbus_sdk_core/data/model.bin: is missing or of another size")
    assert "nimbus_sdk_core" not in sys.modules


def test_a_core_for_another_interpreter_is_reported(core_folder):
    """A folder that was copied from another platform is refused with what to do."""
    core = installed(core_folder)
    path = Path(core.folder, "manifest.json")
    fields = {**json.loads(path.read_bytes()), "tag": "cp27-cp27m-win32", "interpreter": "cpython-27-win32"}
    path.write_text(json.dumps(fields))
    with pytest.raises(CoreIncompatibleError, match="install --force"):
        loader.load(str(core_folder))


def test_another_interpreter_that_fits_may_load_it(core_folder):
    """A pure core works in any Python that it allows."""
    core = installed(core_folder)
    path = Path(core.folder, "manifest.json")
    assert core.interpreter == interpreter("py3-none-any")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "interpreter": "cpython-399"}))
    assert loader.load(str(core_folder)).__version__ == "1.0.0"


@pytest.mark.parametrize(
    ("requires", "named"),
    [
        (("absent-module>=2", "numpy"), '"absent-module>=2"`'),
        ((), '"absent_module"`'),
    ],
)
def test_a_missing_requirement_is_reported_with_the_command(core_folder, requires, named):
    """In place of ModuleNotFoundError: what is missing, and the command that brings it."""
    files = {"nimbus_sdk_core/__init__.py": b"import absent_module.inner\n"}
    installed(core_folder, files=files, requires=requires)
    with pytest.raises(CoreIncompatibleError, match="needs what this environment lacks") as caught:
        loader.load(str(core_folder))
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        (
            "raise ImportError('libengine.so: cannot open')",
            CoreIncompatibleError,
            "libengine.so: cannot open",
        ),
        ("import nimbus_sdk_core.absent", CoreIncompatibleError, "nimbus_sdk_core.absent"),
        ("def (", CoreInstallError, "SyntaxError"),
        ("raise ZeroDivisionError('one by none')", CoreInstallError, "ZeroDivisionError: one by none"),
    ],
)
def test_a_core_that_does_not_load_leaves_no_trace(core_folder, source, kind, words):
    """The error is ours, nothing of the core stays in the process, and a mended core loads."""
    files = {
        "nimbus_sdk_core/__init__.py": f"import nimbus_sdk_core.part\n{source}".encode(),
        "nimbus_sdk_core/part.py": b"",
    }
    installed(core_folder, files=files)
    finders = list(sys.meta_path)
    with pytest.raises(kind) as caught:
        loader.load(str(core_folder))
    assert words in str(caught.value)
    assert sys.meta_path == finders
    assert not [name for name in sys.modules if name.startswith("nimbus_sdk_core")]
    assert loader.loaded_core() is None
    installed(core_folder, "1.0.1")
    assert loader.load(str(core_folder)).__version__ == "1.0.1"


def test_ctrl_c_while_loading_leaves_no_trace(core_folder):
    """An interrupt passes as it is, and the next call loads."""
    files = core_files(source=f"import os\nif os.path.exists('interrupt'): raise KeyboardInterrupt\n{SOURCE}")
    installed(core_folder, files=files)
    Path("interrupt").touch()
    with pytest.raises(KeyboardInterrupt):
        loader.load(str(core_folder))
    os.unlink("interrupt")
    assert loader.load(str(core_folder)).__version__ == "1.0.0"


def test_a_staged_core_is_not_loaded(core_folder):
    """What nothing points to is not in use."""
    staged(core_folder)
    with pytest.raises(CoreNotInstalledError):
        loader.load(str(core_folder))


def test_loading_reads_no_more_than_pointer_and_manifest(core_folder, monkeypatch):
    """Of two hundred files only the size is looked at, once."""
    files = {**core_files(), **{f"nimbus_sdk_core/part{number}.py": b"" for number in range(200)}}
    core = installed(core_folder, files=files)
    opened, surveyed = [], []
    real_open, real_survey = os.open, trust.survey
    monkeypatch.setattr(
        os, "open", lambda path, *more, **named: opened.append(path) or real_open(path, *more, **named)
    )
    monkeypatch.setattr(trust, "survey", lambda *given: surveyed.append(given[0]) or real_survey(*given))
    loader.load(str(core_folder))
    # The folders on the way are passed through, one after the other.
    assert [name for name in opened if name.endswith(".json")] == ["current.json", "manifest.json"]
    assert not any("part" in name for name in opened)
    assert surveyed == [core.library]
