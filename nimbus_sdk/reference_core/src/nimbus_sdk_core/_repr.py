"""How results are displayed: one line in a terminal, a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable

Summary = list[tuple[str, str]]


def format_line(kind: str, summary: Iterable[tuple[str, str]]) -> str:
    """Format names and values as one line; control characters are escaped.

    Examples:
        >>> format_line("Result", [("trials", "3")])
        '<Result trials 3>'
    """
    return f"<{kind} {', '.join(f'{name} {escape_unprintable(value)}' for name, value in summary)}>"


def format_html_table(
    caption: str, summary: Iterable[tuple[str, str]], all_fields: Iterable[tuple[str, str]] = ()
) -> str:
    """Format names and values as a small HTML table; every value is escaped.

    Args:
        caption: The title.
        summary: What a person wants to know.
        all_fields: What else there is, folded below.

    Examples:
        >>> ">&lt;b&gt;</td>" in format_html_table("Result", [("model", "<b>")])
        True
    """
    from html import escape

    def rows(fields: Iterable[tuple[str, str]]) -> str:
        left = "style='text-align:left'"
        return "".join(
            f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(value)}</td></tr>"
            for name, value in fields
        )

    folded = rows(all_fields)
    table = f"<table><caption style='text-align:left'>{escape(caption)}</caption>{rows(summary)}</table>"
    more = f"<details><summary>All fields</summary><table>{folded}</table></details>"
    return table + (more if folded else "")


def escape_unprintable(text: str) -> str:
    r"""Escape control characters and other characters that cannot be printed.

    Examples:
        >>> print(escape_unprintable("a\x1b[2J"))
        a\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
