"""Text or JSON on the output stream; no decision is taken here, and colour is for terminals alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nimbus_sdk.display.tables import format_value
from nimbus_sdk.display.terminal import escape_controls

if TYPE_CHECKING:
    from typing import Literal

    from rich.console import RenderableType
    from rich.text import Text


import os
import shlex

_UNBOUNDED = 10_000
_LAST_WIDTH = 8
# "yes" and "no" have no colour: whether a no is good news depends on the question.
_GOOD = frozenset({"found", "in use", "held", "ok"})
_BAD = frozenset({"malformed", "unreadable", "failed", "fault"})
_DOUBTFUL = frozenset({"shadowed", "withheld", "warning"})


def document(values: Mapping[str, object]) -> None:
    """Print facts as a JSON object for programs."""
    _write(json.dumps(values, indent=2))


def line(values: Mapping[str, object]) -> None:
    """Print facts as one line of JSON, at once, for a program that reads along."""
    _write(json.dumps(values))


def say(*lines: str) -> None:
    """Print lines of text, at once."""
    _write(*map(escape_controls, lines))


def facts(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line."""
    from rich.text import Text

    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    pairs = [
        Text.assemble((f"{name:<{width}}  ", "bold"), _styled(format_value(value))) for name, value in listed
    ]
    _print(Text("\n").join(pairs), soft_wrap=True)


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, nothing: str = "There is none."
) -> None:
    """Print rows under headers; numbers stand to the right, and names in one piece.

    Args:
        headers: The headers.
        rows: The rows, each with a value for every header.
        nothing: What is said where there is no row.
    """
    from rich.table import Table

    listed = list(rows)
    if not listed:
        say(nothing)
        return
    words = [[format_value(value) for value in row] for row in listed]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    needed = _LAST_WIDTH
    for index, header in enumerate(headers):
        numbers = all(type(row[index]) in (int, float) for row in listed)
        column = [header, *(row[index] for row in words)]
        # A name is there to be copied. What stands last may be long, and text breaks at its spaces.
        whole = index < len(headers) - 1 and not any(" " in word for word in column)
        needed += max(map(len, column)) + 2 if whole else 0
        justify: Literal["left", "right"] = "right" if numbers else "left"
        grid.add_column(header, justify=justify, overflow="fold", no_wrap=whole)
    for row in words:
        grid.add_row(*map(_styled, row))
    _print(grid, soft_wrap=False, needed=needed)


def _styled(word: str) -> Text:
    from rich.text import Text

    for words, style in ((_GOOD, "green"), (_BAD, "red"), (_DOUBTFUL, "yellow")):
        if word in words:
            return Text(word, style)
    return Text(word)


def _print(shape: RenderableType, *, soft_wrap: bool, needed: int = 0) -> None:
    from rich.console import Console

    # What goes into a file or another program is never broken to the width of a terminal.
    console = Console(width=None if sys.stdout.isatty() else _UNBOUNDED, highlight=False, markup=False)
    # A terminal narrower than this breaks the lines by itself; rich would cut them off.
    console.width = max(console.width, needed)
    with console.capture() as captured:
        console.print(shape, soft_wrap=soft_wrap)
    _write(*(text.rstrip(" ") for text in captured.get().splitlines()))


def _write(*lines: str) -> None:
    sys.stdout.writelines(f"{text}\n" for text in lines)
    sys.stdout.flush()


def assignments(environ: Mapping[str, str]) -> list[str]:
    """One line a variable: ``export`` for POSIX shells, ``$env:`` for PowerShell on Windows.

    Example:
        >>> assignments({"NIMBUS_SDK_HOME": "/tmp/a b"}) if os.name == "posix" else None
        ["export NIMBUS_SDK_HOME='/tmp/a b'"]
    """
    if os.name == "nt":
        return [f"$env:{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in environ.items()]
    return [f"export {name}={shlex.quote(value)}" for name, value in environ.items()]
