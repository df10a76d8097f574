"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path

from tests.docs.conftest import Program
from tests.docs.pages import ROOT

GENERATOR = ROOT / "docs" / "generate.py"


def test_the_computed_tables_are_up_to_date(program: Program) -> None:
    """A changed setting, error or command is on its page as well: python docs/generate.py."""
    assert program(GENERATOR, "--check").stdout == ""


def test_a_stale_page_is_noticed(program: Program, tmp_path: Path) -> None:
    """A table that was edited by hand is found, and generated again."""
    folder = tmp_path / "docs"
    (folder / "reference").mkdir(parents=True)
    (folder / "generate.py").write_bytes(GENERATOR.read_bytes())
    page = folder / "reference" / "errors.md"
    page.write_text(
        "# Errors\n\n<!-- computed: exit-codes -->\n\nedited\n<!-- end -->\n\nThe end.\n", "utf-8"
    )
    code = "import sys; sys.path.insert(0, sys.argv[1]); import generate; print(generate.main(['--check']))"
    assert program("-c", code, folder).stdout.splitlines() == [
        f"{page} is stale: run python docs/generate.py",
        "1",
    ]
    program(folder / "generate.py")
    text = page.read_text("utf-8")
    assert "| 0 | success |\n" in text
    assert "edited" not in text
    assert text.endswith("<!-- end -->\n\nThe end.\n")
