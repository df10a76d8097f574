"""Files that lie around: what cannot take the core's place, and what Python itself lets take ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nimbus_sdk.config.settings import Settings
from tests.support.wheels import core_files, installed

FAKE = "import pathlib; pathlib.Path({!r}).write_text('ran'); load_model = predict_batch = print"
USE = "import nimbus_sdk, sys; print(nimbus_sdk.BCIData, sys.modules['nimbus_sdk_core'].__file__)"
BORROWED = ("httpcore", "keyring", "rich", "typer", "tenacity", "pydantic", "json", "platformdirs")


@pytest.fixture
def core(isolated_home: Path) -> str:
    """An installed core; the folder of all versions."""
    folder = Path(Settings.load().paths.core)
    installed(folder)
    return str(folder)


@pytest.fixture
def trace(isolated_home: Path) -> Path:
    """What a planted module writes when it is run."""
    return isolated_home / "planted-code-ran"


def plant(folder: Path, trace: Path, *names: str) -> Path:
    """Modules and packages of these names, each of which leaves a trace when it is run."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(FAKE.format(str(trace)))
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "__init__.py").write_text(FAKE.format(str(trace)))
    return folder


def ran(*command: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder with planted files."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_beside_a_script_is_not_the_core(core: str, isolated_home: Path, trace: Path):
    """Neither beside the script, nor in the working directory, on PYTHONPATH or behind a .pth file."""
    script = plant(isolated_home / "scripts", trace, "nimbus_sdk_core", "_nimbus") / "decode.py"
    script.write_text(f"import site; site.addsitedir({str(isolated_home / 'site')!r})\n{USE}")
    plant(isolated_home / "behind", trace, "nimbus_sdk_core")
    (isolated_home / "site").mkdir()
    (isolated_home / "site" / "planted.pth").write_text(f"{isolated_home / 'behind'}\n")
    everywhere = plant(isolated_home / "everywhere", trace, "nimbus_sdk_core")
    done = ran(sys.executable, str(script), folder=everywhere, PYTHONPATH=str(everywhere))
    assert done.stdout.startswith(f"<class 'nimbus_sdk_core.BCIData'> {core}"), done.stderr
    assert not trace.exists()


def test_a_file_that_was_taken_for_the_core_is_noticed(core: str, isolated_home: Path, trace: Path):
    """Where a script itself imports such a file first, nothing of it is passed off as the core."""
    folder = plant(isolated_home / "scripts", trace, "nimbus_sdk_core")
    code = "import nimbus_sdk_core, nimbus_sdk\nnimbus_sdk.BCIData()"
    done = ran(sys.executable, "-c", code, folder=folder)
    assert trace.exists()
    assert "Another module named nimbus_sdk_core was imported before the core" in done.stderr
    assert done.stdout == ""


def test_a_core_brings_nothing_that_others_import(isolated_home: Path):
    """The core's folder is not on sys.path: a module of it takes no other module's place."""
    folder = Path(Settings.load().paths.core)
    installed(folder, files={**core_files(), "nimbus_sdk_core/json.py": b"raise SystemExit('taken')"})
    code = (
        f"{USE}\nimport json, sys\nprint([place for place in sys.path if 'nimbus' in place], json.dumps(1))"
    )
    done = ran(sys.executable, "-c", code, folder=isolated_home / "work")
    assert done.stdout.splitlines()[-1] == "[] 1", done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("core", "verify"),
        pytest.param(("status", "--json"), marks=pytest.mark.qualification),
        pytest.param(("explain",), marks=pytest.mark.qualification),
    ],
    ids=" ".join,
)
def test_the_command_runs_nothing_of_the_working_directory(
    core: str, isolated_home: Path, trace: Path, arguments: tuple[str, ...]
):
    """``nimbus-sdk`` in a folder full of planted modules runs none of them."""
    folder = plant(isolated_home / "cloned", trace, "nimbus_sdk_core", *BORROWED)
    done = ran(str(Path(sys.executable).with_name("nimbus-sdk")), *arguments, folder=folder)
    assert "Traceback" not in done.stderr
    assert not trace.exists()


def test_python_itself_looks_in_the_working_directory_unless_told_not_to(isolated_home: Path, trace: Path):
    """``python -m nimbus_sdk`` would run a planted json.py, as every ``python -m`` does; ``-P`` does not.

    This is Python's way and not ours to change; the documentation says so, and this is the proof.
    """
    folder = plant(isolated_home / "cloned", trace, *BORROWED)
    done = ran(sys.executable, "-P", "-m", "nimbus_sdk", "status", "--json", folder=folder)
    assert done.stdout.startswith("{"), done.stderr
    assert not trace.exists()
    ran(sys.executable, "-m", "nimbus_sdk", "status", "--json", folder=folder)
    assert trace.exists()


def test_the_core_is_imported_by_its_own_name(core: str, isolated_home: Path):
    """Once the SDK is there, in whatever order the names are taken, and as the same module."""
    code = (
        "import nimbus_sdk\n"
        "from nimbus_sdk_core import BCIData\n"
        "import nimbus_sdk_core\n"
        "print(nimbus_sdk.BCIData is BCIData, nimbus_sdk_core.__file__)"
    )
    done = ran(sys.executable, "-c", code, folder=isolated_home / "work")
    assert done.stdout.startswith(f"True {core}"), done.stdout + done.stderr


def test_a_core_that_is_not_there_is_missed_in_words(isolated_home: Path):
    """As an import fails, and with what to run."""
    code = (
        "import nimbus_sdk\ntry:\n    import nimbus_sdk_core\nexcept ImportError as error:\n    print(error)"
    )
    done = ran(sys.executable, "-c", code, folder=isolated_home / "work")
    assert done.stdout.startswith("The core is not installed"), done.stdout + done.stderr
    assert "nimbus-sdk install" in done.stdout
