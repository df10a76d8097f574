"""Results as people read them: aligned text for a prompt or a log, and the same as HTML for a notebook.

Imported when something is shown, so that it costs a start nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_GAP = "  "


def format_fields(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A title, and names with their values below it.

    Example:
        >>> print(format_fields("Nimbus core: usable", [("version", "0.1.0"), ("path", None)]))
        Nimbus core: usable
          version  0.1.0
          path     -
    """
    return f"{title}\n{_aligned([(f'{_GAP}{name}', value) for name, value in rows])}"


def format_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under headers.

    Example:
        >>> print(format_table(("name", "classes"), [("motor_imagery_4class_v1", 4), ("p300_binary_v1", 2)]))
        name                     classes
        motor_imagery_4class_v1  4
        p300_binary_v1           2
    """
    return _aligned([headers, *rows])


def fields_html(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """The same as :func:`format_fields`, as HTML; every value is escaped."""
    lines = "".join(f"<tr>{_heading(name)}{_cell(value)}</tr>" for name, value in rows)
    return f"<table><caption>{escape(title)}</caption>{lines}</table>"


def table_html(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The same as :func:`format_table`, as HTML with a title; every value is escaped."""
    head = "".join(map(_heading, headers))
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{lines}</table>"


def format_value(value: object) -> str:
    """One value in words.

    Example:
        >>> format_value(None), format_value(True), format_value(("a", "b")), format_value(4)
        ('-', 'yes', 'a, b', '4')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "-"
    return str(value)


def _aligned(rows: Iterable[Sequence[object]]) -> str:
    words = [[format_value(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*words, strict=True)]
    lines = (
        _GAP.join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in words
    )
    return "\n".join(lines)


def _heading(name: str) -> str:
    return f"<th style='text-align:left'>{escape(name)}</th>"


def _cell(value: object) -> str:
    return f"<td style='text-align:left'>{escape(format_value(value))}</td>"
