"""Results as aligned text for a terminal or a log, folded to its width, and as HTML for a notebook.

Imported when a result is printed, so that it does not slow down a start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from itertools import zip_longest
from typing import NamedTuple, TypeAlias

from nimbus_sdk.display.terminal import escape_controls
from nimbus_sdk.errors.printable import printable

Style: TypeAlias = Callable[[str], str]
"""Adds the escape codes of a terminal to a text that is already aligned."""


class Look(NamedTuple):
    """How text is drawn: characters in a line (None for any number), and styles of names and values."""

    width: int | None = None
    name: Style = str
    value: Style = str


_PLAIN = Look()
_GAP = "  "

# A command in backquotes is copied as a whole.
_WORD = re.compile(r"(\s*)(`[^`]*`\S*|\S+)")
_PATH_PART = re.compile(r"[^/\\]*[/\\]+|[^/\\]+")


def format_fields(title: str, rows: Iterable[tuple[str, object]], look: Look = _PLAIN) -> str:
    """Return a title, and names with their values indented below it; an empty title is omitted.

    Examples:
        >>> print(format_fields("Nimbus core: usable", [("version", "0.1.0"), ("path", None)]))
        Nimbus core: usable
          version  0.1.0
          path     -
    """
    width, indent = look.width, _GAP if title else ""
    cells = [(f"{indent}{name}", printable(format_value(value))) for name, value in rows]
    column = max((len(name) for name, _ in cells), default=0) + len(_GAP)
    lines = [title] if title else []
    for name, value in cells:
        if width is not None and width - column < narrowest(value) <= width - len(indent + _GAP):
            # A word that cannot be folded, such as a checksum, has the whole line.
            lines.append(look.name(name))
            below = f"{indent}{_GAP}"
            lines += (f"{below}{look.value(line)}" for line in fold(value, width - len(below)))
            continue
        first, *further = [value] if width is None else fold(value, width - column)
        lines.append(f"{look.name(f'{name:<{column}}')}{look.value(first)}")
        lines += (f"{'':<{column}}{look.value(line)}" for line in further)
    return "\n".join(lines)


def format_table(headers: Sequence[str], rows: Iterable[Sequence[object]], look: Look = _PLAIN) -> str:
    """Return rows below their headers; numbers are aligned to the right.

    Long texts are folded to fit, and words stay whole. Where that is not enough, each row becomes a paragraph
    with a line for every value.

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
    smallest = [max(map(narrowest, column)) for column in columns]
    if look.width is not None and not _shrink(widths, smallest, look.width):
        named = (zip(headers, row, strict=True) for row in values)
        return "\n\n".join(format_fields("", fields, look) for fields in named)
    numbers = [
        bool(values) and all(type(row[at]) in (int, float) for row in values) for at in range(len(widths))
    ]
    lines = list(_lines(headers, widths, numbers, look.name))
    for row in cells:
        lines += _lines(row, widths, numbers, look.value)
    return "\n".join(lines)


def fields_html(
    title: str, rows: Iterable[tuple[str, object]], all_fields: Iterable[tuple[str, object]] = ()
) -> str:
    """Like ``format_fields``, as HTML, every value escaped; ``all_fields`` are folded below."""
    shown, folded = (
        "".join(f"<tr>{_cell(name, 'th')}{_cell(value)}</tr>" for name, value in each)
        for each in (rows, all_fields)
    )
    return _table_html(title, shown, folded)


def table_html(
    title: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    all_headers: Sequence[str] = (),
    all_rows: Iterable[Sequence[object]] = (),
) -> str:
    """Like ``format_table``, as HTML, every value escaped; ``all_rows`` are folded below."""
    shown, folded = _rows_html(headers, rows), _rows_html(all_headers, all_rows)
    return _table_html(title, shown, folded if all_headers else "")


def _rows_html(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    names = "".join(_cell(name, "th") for name in headers)
    return f"<tr>{names}</tr>" + "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)


def _table_html(title: str, shown: str, folded: str) -> str:
    details = f"<details><summary>All fields</summary><table>{folded}</table></details>" if folded else ""
    return f"<table><caption style='text-align:left'>{escape(title)}</caption>{shown}</table>{details}"


def _cell(value: object, tag: str = "td") -> str:
    return f"<{tag} style='text-align:left'>{escape(format_value(value))}</{tag}>"


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


def fold(text: str, width: int, indent: str = "") -> list[str]:
    """Return a text as lines of at most ``width`` characters, all but the first one indented.

    They end at spaces, and behind the separators of paths; a word that is longer has a line of its own.

    Examples:
        >>> fold("the core is not installed", 13)
        ['the core is', 'not installed']
        >>> fold("in /srv/nimbus/core/0.1.0", 12)
        ['in /srv/', 'nimbus/core/', '0.1.0']
        >>> fold("Run `pip install numpy` once.", 14)
        ['Run', '`pip install numpy`', 'once.']
    """
    lines = [""]
    for gap, word in _WORD.findall(text):
        for part in _parts(word, width - len(indent)):
            if not lines[-1].strip() or len(lines[-1] + gap + part) <= width:
                lines[-1] += gap + part
            else:
                lines.append(indent + part)
            gap = ""
    return lines


def narrowest(text: str) -> int:
    """Return the width below which a text has lines that are longer.

    Examples:
        >>> narrowest("the core is not installed"), narrowest("/srv/nimbus"), narrowest("")
        (9, 6, 0)
    """
    return max((len(part) for _, word in _WORD.findall(text) for part in _parts(word, 0)), default=0)


def _parts(word: str, width: int) -> list[str]:
    """Return what must stay in one line: a word, or the parts of a long path."""
    return [word] if len(word) <= width or word.startswith("`") else _PATH_PART.findall(word)
