"""The README as the package index shows it."""

from __future__ import annotations

import re
import tomllib

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from docs.package_readme import with_absolute_links
from tests.docs.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_link_leads_to_a_page_of_the_site() -> None:
    """No link of the package's description is relative; each has a page in the documentation."""
    site = PROJECT["urls"]["Documentation"]
    description = ProjectMetadata(str(ROOT), PluginManager()).core.readme
    source = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", description)
    assert len(links) == len(re.findall(r"\]\(([^)]+)\)", source)) > 30
    for link in links:
        page = re.fullmatch(rf"{re.escape(site)}/([\w/-]+)\.html(#[\w-]+)?", link)
        assert page is not None, link
        assert page[1] == "changelog" or (ROOT / "docs" / f"{page[1]}.md").is_file(), link


def test_a_link_to_no_page_ends_the_build() -> None:
    """A link that would be broken on the package index is noticed before the package is there."""
    with pytest.raises(ValueError, match=r"pyproject\.toml"):
        with_absolute_links("[settings](pyproject.toml)", "https://docs.example.com")
    kept = "[here](#below) [there](https://example.com/a.md)"
    assert with_absolute_links(kept, "https://docs.example.com") == kept
