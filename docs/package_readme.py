"""A hook of the build: the links of the README lead to the documentation site on the package index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(#[^)]*)?\)")
_PAGES = {"examples": "gallery", "CHANGELOG.md": "changelog"}
"""Pages that ``build_site.py`` makes of what is not in the folder of the documentation."""


class ReadmeHook(MetadataHookInterface):
    """Sets the field ``readme`` of the package's metadata."""

    def update(self, metadata: dict[str, object]) -> None:
        """Set the README with links below the documentation's address in ``project.urls``."""
        urls = cast("dict[str, str]", metadata["urls"])
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        linked = with_absolute_links(text, urls["Documentation"])
        metadata["readme"] = {"content-type": "text/markdown", "text": linked}


def with_absolute_links(text: str, site: str) -> str:
    """Return a Markdown text whose relative links lead to pages of a documentation site.

    Raises:
        ValueError: A link leads to a file that is not a page of the site.

    Examples:
        >>> with_absolute_links("[all](docs/reference/errors.md#codes)", "https://docs.example.com")
        '[all](https://docs.example.com/reference/errors.html#codes)'
    """
    return _LINK.sub(lambda link: f"]({site}/{_page(link[1])}.html{link[2] or ''})", text)


def _page(path: str) -> str:
    page = _PAGES.get(path)
    if page is None and path.startswith("docs/") and path.endswith(".md"):
        page = path.removeprefix("docs/").removesuffix(".md")
    if page is None:
        raise ValueError(f"README.md links to {path}, which is not a page of the documentation site")
    return page
