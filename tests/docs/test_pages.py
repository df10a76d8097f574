"""The pages show what the product does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nimbus_sdk import __version__
from nimbus_sdk.cli.ui.groups import list_exit_codes
from nimbus_sdk.sandbox import Sandbox
from tests.docs.conftest import Program
from tests.docs.pages import ROOT, all_pages, anchors, blocks, fits, links

RUNS = ("python", "bash")
FOR_READING = (
    "output",
    "text",
    "console",
    "mermaid",
    "yaml",
    "dockerfile",
    "powershell",
    "json",
    "http",
    "julia",
)
LONG = pytest.mark.qualification
LONG_PAGES = (
    "ci-and-containers.md",
    "decode.md",
    "live-stream.md",
    "offline.md",
    "test-your-program.md",
    "whole-path.md",
)
"""They install, train or start a pytest of their own."""
FIRST_COMMANDS = [
    'pip install ".[sandbox]" && nimbus-sdk demo',
    'pip install -e ".[dev]" && python -m pytest',
]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _runs(page: Path) -> bool:
    return any(block.language in RUNS for block in blocks(page))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=LONG if page.name in LONG_PAGES else ())
        for page in all_pages()
        if _runs(page)
    ],
    ids=_named,
)
def test_every_block_of_a_page_runs(page: Path, with_key: Sandbox, program: Program) -> None:
    """All code of a page runs in order on the sandbox and prints what the page says."""
    program(ROOT / "tests" / "docs" / "run_page.py", page)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint(1)\n```\n\n```output\n2\n```\n",
        "```python\nimport nimbus_sdk\nnimbus_sdk.no_such_name\n```\n",
        "```bash\nnimbus-sdk no-such-command\n```\n",
        pytest.param("```python\ndef test_wrong():\n    assert False\n```\n", marks=LONG),
    ],
    ids=["output", "python", "bash", "tests"],
)
def test_a_wrong_page_is_noticed(text: str, with_key: Sandbox, program: Program, tmp_path: Path) -> None:
    """A block that fails, or does not print what the page says, fails the page."""
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match="exit code 1"):
        program(ROOT / "tests" / "docs" / "run_page.py", page)


def test_every_name_of_the_sdk_in_a_block_exists() -> None:
    """Every Python block is valid, and what it takes from the SDK is there: pages that take long too."""
    for page in all_pages():
        for block in blocks(page):
            for module, name in _names_of_the_sdk(block.text) if block.language == "python" else ():
                exec(f"from {module} import {name}", {})


def _names_of_the_sdk(code: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("nimbus_sdk."):
            yield from ((str(node.module), name.name) for name in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "nimbus_sdk":
            yield "nimbus_sdk", node.attr


def test_every_block_has_a_known_language() -> None:
    """No block is skipped because its language is misspelt."""
    for page in all_pages():
        assert {block.language for block in blocks(page)} <= {*RUNS, *FOR_READING}, _named(page)


def test_every_link_has_a_target() -> None:
    """Every link to a file of the project, or to a heading, has a target."""
    for page, link in [(each, link) for each in all_pages() for link in links(each)]:
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme in ("https", "mailto"), link
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.exists(), f"{_named(page)} links to {link}"
        assert not parts.fragment or parts.fragment in anchors(target), f"{_named(page)} links to {link}"


def test_every_page_is_linked_from_readme() -> None:
    """README links to all pages, directly or through others."""
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            targets = [page.parent / urlsplit(link).path for link in links(page) if not urlsplit(link).scheme]
            waiting += [target.resolve() for target in targets if target.suffix == ".md"]
    assert set(all_pages()) <= found


@LONG
def test_the_demo_prints_what_readme_shows(program: Program) -> None:
    """The excerpt in README is what the first command prints, numbers apart."""
    shown = next(block.text for block in blocks(ROOT / "README.md") if block.language == "text")
    printed = program("-m", "nimbus_sdk", "demo").stdout
    assert fits(_without_numbers(shown), _without_numbers(printed)), printed


def _without_numbers(text: str) -> str:
    return re.sub(r" +", " ", re.sub(r"\d[\d.,]*", "#", text))


def test_readme_names_every_exit_code() -> None:
    """README lists the exit code of every kind of failure."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = text.partition("Exit codes of `nimbus-sdk`:")[2].partition("([all]")[0]
    assert [int(code) for code in re.findall(r"\d+", listed)] == [code for code, _ in list_exit_codes()]


def test_the_changelog_is_about_this_version() -> None:
    """The changelog begins with what is unreleased, followed by the version that is installed."""
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[:2] == ["Unreleased", __version__]


def test_the_first_two_commands_are_those_that_are_checked() -> None:
    """The commands that README shows to a new user are those that the project's own check runs."""
    shown = [block.text.strip() for block in blocks(ROOT / "README.md") if block.language == "console"][:2]
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    script = re.sub(r" -q| --disable-pip-version-check", "", text)
    assert shown == FIRST_COMMANDS
    for command in (shown[0], *shown[1].split(" && ")):
        assert command in script
