"""Results as aligned text for a terminal or a log, and as HTML for a notebook.

The command line prints with rich, for colours and widths, and takes the text of each value from
:func:`format_value`. Imported when a result is printed, so that it does not slow down a start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from nimbus_sdk.display.terminal import escape_controls

_GAP = "  "


def format_fields(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """Return a title, and names with their values below it.

    Example:
        >>> print(format_fields("Nimbus core: usable", [("version", "0.1.0"), ("path", None)]))
        Nimbus core: usable
          version  0.1.0
          path     -
    """
    return f"{title}\n{_align([(f'{_GAP}{name}', value) for name, value in rows])}"


def format_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows below their headers.

    Example:
        >>> print(format_table(("name", "classes"), [("motor_imagery_4class_v1", 4), ("p300_binary_v1", 2)]))
        name                     classes
        motor_imagery_4class_v1  4
        p300_binary_v1           2
    """
    return _align([headers, *rows])


def fields_html(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """Like :func:`format_fields`, as HTML; every value is escaped."""
    lines = "".join(f"<tr>{_heading(name)}{_cell(value)}</tr>" for name, value in rows)
    return f"<table><caption>{escape(title)}</caption>{lines}</table>"


def table_html(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Like :func:`format_table`, as HTML with a title; every value is escaped."""
    head = "".join(map(_heading, headers))
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{lines}</table>"


def format_value(value: object) -> str:
    """Return a value as text for people, on one line and without control characters.

    Example:
        >>> format_value(None), format_value(True), format_value(("a", "b"))
        ('-', 'yes', 'a, b')
        >>> format_value(48766), format_value(0.8634), format_value(datetime(2026, 1, 31, 9, 5))
        ('48,766', '0.863', '2026-01-31 09:05 UTC')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, tuple | list | set | frozenset):
        parts = map(str, sorted(value) if isinstance(value, set | frozenset) else value)
        return escape_controls(", ".join(parts)) or "-"
    return escape_controls(str(value))


def _align(rows: Iterable[Sequence[object]]) -> str:
    cells = [[format_value(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        _GAP.join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def _heading(name: str) -> str:
    return f"<th style='text-align:left'>{escape(name)}</th>"


def _cell(value: object) -> str:
    return f"<td style='text-align:left'>{escape(format_value(value))}</td>"
