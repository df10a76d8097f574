"""The security page names tests and commands that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
COMMAND = re.compile(r"`python -m ([\w.]+)`")
SCRIPT = re.compile(r"`(\.ci/[\w.-]+)[ `]")


def functions(path: Path) -> set[str]:
    """Return the names of the tests in a file."""
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(
    "file", sorted({file for file, _ in NAMED.findall(PAGE.read_text(encoding="utf-8"))})
)
def test_every_test_that_the_page_names_exists(file: str):
    """A promise whose test was renamed or removed is found."""
    named = {name for found, name in NAMED.findall(PAGE.read_text(encoding="utf-8")) if found == file}
    assert named <= functions(ROOT / file)


def test_every_file_of_the_security_tests_is_on_the_page():
    """Every file of tests here is named on the page."""
    text = PAGE.read_text(encoding="utf-8")
    here = {f"tests/security/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    named = {file for file, _ in NAMED.findall(text)}
    assert here - named <= {f"tests/security/{Path(__file__).name}"}


def test_every_command_that_the_page_names_exists():
    """The commands that repeat its figures can be run."""
    text = PAGE.read_text(encoding="utf-8")
    modules = set(COMMAND.findall(text)) - {"nimbus_sdk"}
    assert {"tests.security.fuzz", "tests.security.memory_copies"} <= modules
    for module in modules - {"pytest"}:
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    scripts = set(SCRIPT.findall(text))
    assert len(scripts) >= 4
    assert all((ROOT / script).is_file() for script in scripts)
