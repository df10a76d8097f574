"""What a result shows of itself: a line in a terminal, a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable

Summary = list[tuple[str, str]]


def format_line(kind: str, facts: Iterable[tuple[str, str]]) -> str:
    """Name and value of each fact in one line; what would steer a terminal is escaped.

    >>> format_line("Result", [("trials", "3")])
    '<Result trials 3>'
    """
    return f"<{kind} {', '.join(f'{name} {escape_unprintable(value)}' for name, value in facts)}>"


def format_html_table(caption: str, facts: Iterable[tuple[str, str]]) -> str:
    """A small HTML table; every value escaped.

    >>> "<td>&lt;b&gt;</td>" in format_html_table("Result", [("model", "<b>")])
    True
    """
    from html import escape

    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<table><caption>{escape(caption)}</caption>{rows}</table>"


def escape_unprintable(text: str) -> str:
    r"""The text with all that would steer a terminal escaped.

    >>> print(escape_unprintable("a\x1b[2J"))
    a\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
