"""Sections of ``docs/performance.md`` and other pages that a benchmark writes itself."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from textwrap import fill

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "performance.md"


def put(name: str, text: str, path: Path | None = None) -> None:
    """Put a section into a page, in place of the old one or at the end.

    Args:
        name: Of the section.
        text: What stands below its heading: paragraphs, which are broken into lines, and tables.
        path: The page; by default that on performance.
    """
    path = path or PAGE
    page = path.read_text(encoding="utf-8")
    parts = [part if part.startswith("|") else fill(part, 118) for part in text.strip().split("\n\n")]
    section = "\n\n".join([f"## {name}", *parts]) + "\n"
    old = re.search(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    if old is None:
        page = f"{page.rstrip()}\n\n{section}"
    else:
        after = page[old.end() :]
        page = page[: old.start()] + section + ("\n" + after if after else "")
    path.write_text(page, encoding="utf-8")


def machine() -> str:
    """On what the figures were taken."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}; load average at the end {os.getloadavg()[0]:.1f}."
    )


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    """A table whose columns but the first are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
