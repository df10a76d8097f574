"""The page for contributors names files and commands that exist."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

TEXT = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:nimbus_sdk|tests|docs|\.ci)/[\w./-]+)`")


def test_every_path_that_the_page_names_exists() -> None:
    """A file that was moved or renamed is found."""
    assert [path for path in sorted(set(NAMED.findall(TEXT))) if not (ROOT / path).exists()] == []


def test_the_page_names_enough_to_be_useful() -> None:
    """The paths are recognised as such."""
    assert len(set(NAMED.findall(TEXT))) > 30


def test_every_command_that_the_page_names_exists() -> None:
    """The long runs can be started as the page says."""
    modules = set(re.findall(r"`python -m (tests[\w.]+)`", TEXT))
    assert modules
    for module in modules:
        assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file(), module
