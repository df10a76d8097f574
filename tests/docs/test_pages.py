"""What the pages show is what the product does."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nimbus_sdk import __version__
from nimbus_sdk.cli.ui import exit_codes
from nimbus_sdk.sandbox import Sandbox
from tests.docs.conftest import Program
from tests.docs.pages import ROOT, all_pages, anchors, blocks, fits, links

RUNS = ("python", "bash")
FOR_READING = ("output", "text", "console", "mermaid", "yaml", "dockerfile", "powershell", "json", "http")
FIRST_COMMANDS = [
    'pip install ".[sandbox]" && nimbus-sdk demo',
    'pip install -e ".[dev]" && python -m pytest',
]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _runs(page: Path) -> bool:
    return any(block.language in RUNS for block in blocks(page))


@pytest.mark.parametrize("page", [page for page in all_pages() if _runs(page)], ids=_named)
def test_every_block_of_a_page_runs(page: Path, with_key: Sandbox, program: Program) -> None:
    """All code of a page runs in order on the sandbox and prints what the page says."""
    program(ROOT / "tests" / "docs" / "run_page.py", page)


@pytest.mark.parametrize(
    "lie",
    [
        "```python\nprint(1)\n```\n\n```output\n2\n```\n",
        "```python\nimport nimbus_sdk\nnimbus_sdk.no_such_name\n```\n",
        "```bash\nnimbus-sdk no-such-command\n```\n",
        "```python\ndef test_a_lie():\n    assert False\n```\n",
    ],
    ids=["output", "python", "bash", "tests"],
)
def test_a_page_that_lies_is_noticed(lie: str, with_key: Sandbox, program: Program, tmp_path: Path) -> None:
    """A block that fails, or prints something else than the page says, fails the page."""
    page = tmp_path / "page.md"
    page.write_text(lie, encoding="utf-8")
    with pytest.raises(AssertionError, match="exit code 1"):
        program(ROOT / "tests" / "docs" / "run_page.py", page)


@pytest.mark.parametrize("page", all_pages(), ids=_named)
def test_a_block_says_what_it_is(page: Path) -> None:
    """No block escapes the run by a slip in its language."""
    assert {block.language for block in blocks(page)} <= {*RUNS, *FOR_READING}


@pytest.mark.parametrize("page", all_pages(), ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project or to a heading in it finds it."""
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme in ("https", "mailto"), link
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.exists(), f"{_named(page)} links to {link}"
        assert not parts.fragment or parts.fragment in anchors(target), f"{_named(page)} links to {link}"


def test_every_page_can_be_found() -> None:
    """README leads, directly or over other pages, to all of them."""
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            targets = [page.parent / urlsplit(link).path for link in links(page) if not urlsplit(link).scheme]
            waiting += [target.resolve() for target in targets if target.suffix == ".md"]
    assert set(all_pages()) <= found


def test_the_demo_prints_what_readme_shows(program: Program) -> None:
    """The excerpt in README is what the first command prints, numbers apart."""
    shown = next(block.text for block in blocks(ROOT / "README.md") if block.language == "text")
    printed = program("-m", "nimbus_sdk", "demo").stdout
    assert fits(_without_numbers(shown), _without_numbers(printed)), printed


def _without_numbers(text: str) -> str:
    return re.sub(r" +", " ", re.sub(r"\d[\d.,]*", "#", text))


def test_readme_names_every_exit_code() -> None:
    """Whoever writes a script looks there first."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = text.partition("Exit codes of `nimbus-sdk`:")[2].partition("([all]")[0]
    assert [int(code) for code in re.findall(r"\d+", told)] == [
        code for code, _ in exit_codes.list_exit_codes()
    ]


def test_the_changelog_is_about_this_version() -> None:
    """The changelog begins with what is unreleased, followed by the version that is installed."""
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[:2] == ["Unreleased", __version__]


def test_the_first_two_commands_are_those_that_are_checked() -> None:
    """What README tells a new user to type is what the project's own check does in a fresh environment."""
    told = [block.text.strip() for block in blocks(ROOT / "README.md") if block.language == "console"][:2]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace(" -q --disable-pip-version-check", "")
    assert told == FIRST_COMMANDS
    for command in (told[0], *told[1].split(" && ")):
        assert command in script
