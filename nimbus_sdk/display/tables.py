"""Results as aligned text for a terminal or a log, and as HTML for a notebook.

Imported when a result is printed, so that it does not slow down a start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from itertools import zip_longest
from typing import TypeAlias

from nimbus_sdk.display.folding import fold, narrowest
from nimbus_sdk.display.terminal import escape_controls
from nimbus_sdk.errors.printable import printable

Style: TypeAlias = Callable[[str], str]
"""Adds the escape codes of a terminal to a text that is already aligned."""

_GAP = "  "


def format_fields(
    title: str,
    rows: Iterable[tuple[str, object]],
    *,
    width: int | None = None,
    name_style: Style = str,
    value_style: Style = str,
) -> str:
    """Return a title, and names with their values indented below it; an empty title is omitted.

    Args:
        title: The title.
        rows: The names and values.
        width: Number of characters in a line; longer values are folded.
        name_style: Style of the names.
        value_style: Style of the values.

    Examples:
        >>> print(format_fields("Nimbus core: usable", [("version", "0.1.0"), ("path", None)]))
        Nimbus core: usable
          version  0.1.0
          path     -
    """
    indent = _GAP if title else ""
    cells = [(f"{indent}{name}", printable(format_value(value))) for name, value in rows]
    column = max((len(name) for name, _ in cells), default=0) + len(_GAP)
    lines = []
    for name, value in cells:
        if width is not None and width - column < narrowest(value) <= width - len(indent + _GAP):
            # A word that cannot be folded, such as a checksum, has the whole line.
            lines.append(name_style(name))
            below = f"{indent}{_GAP}"
            lines += (f"{below}{value_style(line)}" for line in fold(value, width - len(below)))
            continue
        first, *further = [value] if width is None else fold(value, width - column)
        lines.append(f"{name_style(f'{name:<{column}}')}{value_style(first)}")
        lines += (f"{'':<{column}}{value_style(line)}" for line in further)
    return "\n".join([title, *lines] if title else lines)


def format_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    width: int | None = None,
    name_style: Style = str,
    value_style: Style = str,
) -> str:
    """Return rows below their headers; numbers are aligned to the right.

    Args:
        headers: The headers.
        rows: The rows, each with a value for every header.
        width: Number of characters in a line; long texts are folded to fit, and words stay whole. Where that
            is not enough, each row becomes a paragraph with a line for every value.
        name_style: Style of the headers.
        value_style: Style of the values.

    Examples:
        >>> print(format_table(("name", "classes"), [("motor_imagery_4class_v1", 4), ("p300_binary_v1", 2)]))
        name                     classes
        motor_imagery_4class_v1        4
        p300_binary_v1                 2
    """
    values = list(rows)
    cells = [[printable(format_value(value)) for value in row] for row in values]
    columns = list(zip(headers, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    if width is not None and not _shrink(widths, [max(map(narrowest, column)) for column in columns], width):
        styles = {"name_style": name_style, "value_style": value_style}
        named = (zip(headers, row, strict=True) for row in values)
        return "\n\n".join(format_fields("", fields, width=width, **styles) for fields in named)
    numbers = [
        bool(values) and all(type(row[at]) in (int, float) for row in values) for at in range(len(widths))
    ]
    lines = list(_lines(headers, widths, numbers, name_style))
    for row in cells:
        lines += _lines(row, widths, numbers, value_style)
    return "\n".join(lines)


def fields_html(
    title: str, rows: Iterable[tuple[str, object]], all_fields: Iterable[tuple[str, object]] = ()
) -> str:
    """Like ``format_fields``, as HTML; every value is escaped.

    Args:
        title: The title.
        rows: What a person wants to know.
        all_fields: What else there is, folded below.
    """
    return _caption(title, _fields_html(rows)) + _details(_fields_html(all_fields))


def table_html(
    title: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    all_headers: Sequence[str] = (),
    all_rows: Iterable[Sequence[object]] = (),
) -> str:
    """Like ``format_table``, as HTML with a title; every value is escaped.

    Args:
        title: The title.
        headers: The headers.
        rows: The rows, each with a value for every header.
        all_headers: Headers of what else there is, folded below.
        all_rows: The rows for them.
    """
    shown, folded = _rows_html(headers, rows), _rows_html(all_headers, all_rows)
    return _caption(title, shown) + _details(folded if all_headers else "")


def _fields_html(rows: Iterable[tuple[str, object]]) -> str:
    return "".join(f"<tr>{_heading(name)}{_cell(value)}</tr>" for name, value in rows)


def _rows_html(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<tr>{''.join(map(_heading, headers))}</tr>{lines}"


def _caption(title: str, lines: str) -> str:
    return f"<table><caption style='text-align:left'>{escape(title)}</caption>{lines}</table>"


def _details(lines: str) -> str:
    return f"<details><summary>All fields</summary><table>{lines}</table></details>" if lines else ""


def format_value(value: object) -> str:
    """Return a value as text for people, on one line and without control characters.

    Examples:
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


def _shrink(widths: list[int], smallest: Sequence[int], width: int) -> bool:
    """Narrow the widest columns until a line fits, and return whether that is possible."""
    available = width - len(_GAP) * (len(widths) - 1)
    if sum(smallest) > available:
        return False
    while sum(widths) > available:
        spare = (at for at in range(len(widths)) if widths[at] > smallest[at])
        widths[max(spare, key=widths.__getitem__)] -= 1
    return True


def _lines(
    cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool], style: Style
) -> Iterator[str]:
    """Yield the lines of a row: more than one if a text is folded."""
    folded = [fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        *aligned, last = (
            f"{part:>{width}}" if number else f"{part:<{width}}"
            for part, width, number in zip(parts, widths, numbers, strict=True)
        )
        yield _GAP.join(map(style, (*aligned, last.rstrip()))).rstrip()


def _heading(name: str) -> str:
    return f"<th style='text-align:left'>{escape(name)}</th>"


def _cell(value: object) -> str:
    return f"<td style='text-align:left'>{escape(format_value(value))}</td>"
