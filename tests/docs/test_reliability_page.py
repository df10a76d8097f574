"""The reliability page names tests that exist, and its tables have the faults of the matrix."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.docs.pages import ROOT
from tests.qualification.wire_faults import CODES, STATUSES, named_faults

PAGE = ROOT / "docs" / "reliability.md"
TEXT = PAGE.read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
COMMAND = re.compile(r"`(?:python -m ([\w.]+)|pytest ([\w/.]+))`")
PROMISE = re.compile(r"^\*\*(.+?)\*\*(.*?)(?=^\*\*|^#)", re.MULTILINE | re.DOTALL)


def functions(path: Path) -> set[str]:
    """Return the names of the tests in a file."""
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def first_column(title: str) -> list[str]:
    """Return the first cells of the table whose header begins with a title."""
    lines = TEXT.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {title} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line.split(" | ")[0].removeprefix("| "))
    return rows


def test_every_test_that_the_page_names_exists() -> None:
    """A promise whose test was renamed or removed is found."""
    for file in sorted({file for file, _ in NAMED.findall(TEXT)}):
        named = {name for found, name in NAMED.findall(TEXT) if found == file}
        assert named - functions(ROOT / file) == set(), file


def test_every_promise_names_a_test() -> None:
    """Every promise names a test that would notice if it were broken."""
    promises = PROMISE.findall(TEXT)
    assert len(promises) > 30
    assert [promise for promise, rest in promises if not NAMED.search(rest)] == []


def test_every_command_that_the_page_names_exists() -> None:
    """The figures can be measured again."""
    for module, path in COMMAND.findall(TEXT):
        place = ROOT / (path or module.replace(".", "/") + ".py")
        assert place.exists(), place


def test_the_tables_hold_every_fault() -> None:
    """A fault that was added to the matrix is on the page as well."""
    assert first_column("fault") == [fault.name for fault in named_faults()]
    assert first_column("documented refusal") == [f"{status} {code}" for code, status in CODES.items()]
    listed = [int(status) for row in first_column("bare status") for status in row.split(", ")]
    assert sorted(listed) == sorted(STATUSES)
