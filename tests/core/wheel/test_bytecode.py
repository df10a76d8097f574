"""Bytecode is that of the sources, or the core is not whole."""

from __future__ import annotations

import importlib.util
import marshal
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

from nimbus_sdk.core.wheel import verify
from nimbus_sdk.core.wheel.bytecode import changed_bytecode, is_bytecode
from tests.support.wheels import core_files, installed, issues_of, make_wheel

MODULE = "nimbus_sdk_core/__init__.py"
FAULT = f"{MODULE}: its bytecode in __pycache__ is not what this Python compiles from the source"


@pytest.fixture
def core(tmp_path):
    """An installed core that was not imported yet."""
    return installed(tmp_path / "core")


@pytest.fixture
def source(core):
    """The module of the core."""
    return Path(core.library, *MODULE.split("/"))


def header(source: Path, *, magic: bytes = importlib.util.MAGIC_NUMBER, kind: int = 0, age: int = 0) -> bytes:
    """What precedes the bytecode of a source."""
    status = source.stat()
    numbers = (kind, int(status.st_mtime) - age, status.st_size)
    return magic + b"".join(number.to_bytes(4, "little") for number in numbers)


def plant(source: Path, content: bytes, level: str | int = "") -> None:
    """Write a file where Python looks for the bytecode of a source."""
    path = Path(importlib.util.cache_from_source(str(source), optimization=level))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


EVIL = marshal.dumps(compile("raise SystemExit('other code')", "x", "exec"))


def nested(depth: int) -> bytes:
    """Bytecode of functions within functions, deeper than Python recurses."""
    code = compile("x = 1", "x", "exec")
    for _ in range(depth):
        code = code.replace(co_consts=(code,))
    return marshal.dumps(code)


@pytest.mark.parametrize(
    "name",
    [
        "nimbus_sdk_core/__pycache__/x.cpython-311.pyc",
        "nimbus_sdk_core/__PyCache__",
        "nimbus_sdk_core/__PYCACHE__/x.cpython-311.pyc",
        "nimbus_sdk_core/__PyCache__/data.bin",
        "nimbus_sdk_core/__py\u200ccache__/data.bin",
        "nimbus_sdk_core/\uff3f_pycache__/data.bin",
        "nimbus_sdk_core/models.pyc",
        "nimbus_sdk_core/models.PYC",
        "nimbus_sdk_core/models.pyo",
        "nimbus_sdk_core.pyc",
        "nimbus_sdk_core-1.0.0.data/purelib/nimbus_sdk_core/models.Pyc",
    ],
)
def test_a_wheel_with_bytecode_is_refused(tmp_path, name):
    """In whatever spelling some system would read it, and with or without a source beside it."""
    assert is_bytecode(name)
    files = {**core_files(), "nimbus_sdk_core/models.py": b"", name: EVIL}
    assert any("is compiled bytecode" in issue for issue in issues_of(make_wheel(tmp_path, files=files)))


@pytest.mark.parametrize("name", [MODULE, "x/pycache/y", "x/__pycache__.py", "x/y.pyd", "x.py/c", "x/ypyc"])
def test_other_names_are_no_bytecode(name):
    """Only what Python takes for it."""
    assert not is_bytecode(name)


def test_what_python_writes_is_fine(core, source):
    """At every level of optimization, and with or without positions in the source."""
    for level in (0, 1, 2):
        py_compile.compile(str(source), optimize=level)
        assert verify.check_installed(core.folder) == ()
    command = [sys.executable, "-X", "no_debug_ranges", "-m", "py_compile", str(source)]
    subprocess.run(command, check=True)
    assert verify.check_installed(core.folder) == ()


@pytest.mark.parametrize("level", ["", 1, 2])
@pytest.mark.parametrize("stored", [EVIL, EVIL[:-3], b"", b"no bytecode", marshal.dumps("text"), nested(480)])
def test_other_bytecode_of_a_source_is_reported(core, source, level, stored):
    """With time and size of the source Python would run it without a look at the source."""
    plant(source, header(source) + stored, level)
    assert verify.check_installed(core.folder) == (FAULT,)


@pytest.mark.parametrize("kind", [1, 3])
def test_other_bytecode_that_is_bound_to_a_hash_is_reported(core, source, kind):
    """An option of the interpreter decides whether that hash is compared with the source."""
    digest = importlib.util.source_hash(source.read_bytes())
    plant(source, header(source, kind=kind)[:8] + digest + EVIL)
    assert verify.check_installed(core.folder) == (FAULT,)


def test_a_change_deep_within_is_reported(core, source):
    """Of a function within a class, and of what is not compared by Python itself."""
    text = source.read_bytes()
    code = compile(text, str(source), "exec", dont_inherit=True)

    def deeper(code: CodeType) -> CodeType:
        constants = [deeper(value) if isinstance(value, CodeType) else value for value in code.co_consts]
        return code.replace(co_stacksize=code.co_stacksize + 1, co_consts=tuple(constants))

    inner = [deeper(value) if isinstance(value, CodeType) else value for value in code.co_consts]
    plant(source, header(source) + marshal.dumps(code.replace(co_consts=tuple(inner))))
    assert verify.check_installed(core.folder) == (FAULT,)


def test_what_python_would_not_run_is_nobodys_business(core, source):
    """Of another version of Python, of an older source, or cut short in the header: it is compiled again."""
    for content in (
        header(source, magic=b"\0\0\r\n") + EVIL,
        header(source, age=10) + EVIL,
        header(source)[:15],
        b"",
    ):
        plant(source, content)
        assert verify.check_installed(core.folder) == ()


def test_bytecode_elsewhere_is_found(core, source, tmp_path, monkeypatch):
    """A program may store it in a folder of its own (PYTHONPYCACHEPREFIX)."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "cache"))
    path = importlib.util.cache_from_source(str(source))
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(header(source) + EVIL)
    assert list(changed_bytecode(core.library, core.files)) == [MODULE]


def test_a_source_that_is_no_python_has_no_bytecode(tmp_path):
    """What cannot be compiled cannot have been either."""
    core = installed(tmp_path / "core", files={**core_files(), "nimbus_sdk_core/old.py": b"print 1\n"})
    assert verify.check_installed(core.folder) == ()
    source = Path(core.library, "nimbus_sdk_core", "old.py")
    plant(source, header(source) + EVIL)
    assert verify.check_installed(core.folder) == (FAULT.replace("__init__", "old"),)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_what_is_no_file_in_the_place_of_bytecode_holds_nobody_up(core, source):
    """A pipe counts as other bytecode; a file in the place of the folder has none, and is not of the core."""
    cache = Path(importlib.util.cache_from_source(str(source)))
    shutil.rmtree(cache.parent, ignore_errors=True)
    cache.parent.touch()
    unexpected = "'nimbus_sdk_core/__pycache__': is not part of the core"
    assert verify.check_installed(core.folder) == (unexpected,)
    cache.parent.unlink()
    cache.parent.mkdir()
    os.mkfifo(cache)
    assert verify.check_installed(core.folder) == (FAULT,)
