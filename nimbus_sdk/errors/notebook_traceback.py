"""An error in a notebook or in IPython: the user's own lines, and a box with what happened and what to do.

IPython calls ``_render_traceback_`` of an error instead of formatting it. The traceback itself stays whole,
so that ``%debug`` works; ``%xmode Verbose`` and ``%tb Verbose`` show all of it.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator
from textwrap import wrap
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nimbus_sdk.errors import NimbusError

WIDTH = 80
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_RED, _DIM, _END = "\x1b[31m", "\x1b[2m", "\x1b[0m"
_MORE = "Everything: %tb Verbose. Debugger: %debug."


def render(error: NimbusError) -> list[str]:
    """Return the lines that IPython prints for an error."""
    return _render(error, box(type(error).__name__, error.paragraphs()))


def hide_frames(interrupt: KeyboardInterrupt) -> None:
    """Let IPython print the user's own lines alone for an interrupt."""
    interrupt._render_traceback_ = lambda: _render(interrupt, ["KeyboardInterrupt"])  # type: ignore[attr-defined]


def _render(error: BaseException, description: list[str]) -> list[str]:
    shell = sys.modules["IPython"].get_ipython()
    if shell.InteractiveTB.mode == "Verbose":
        trace = error.__traceback__
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=1)
        return lines
    own = [line for place in _own_places(error.__traceback__) for line in _describe(shell, *place)]
    return [*own, *description, f"{_DIM}{_MORE}{_END}"]


def box(title: str, paragraphs: list[str]) -> list[str]:
    """Return the lines of a box around paragraphs, ``WIDTH`` characters wide."""
    inner = WIDTH - 4
    lines = []
    for paragraph in filter(None, paragraphs):
        lines += ["", *(part for line in paragraph.splitlines() for part in wrap(line, inner) or [""])]
    edge = f"{_RED}│{_END}"
    top = f"{_RED}╭─ {title} {'─' * max(0, WIDTH - len(title) - 5)}╮{_END}"
    return [
        top,
        *(f"{edge} {line:<{inner}} {edge}" for line in lines[1:]),
        f"{_RED}╰{'─' * (WIDTH - 2)}╯{_END}",
    ]


def _own_places(trace: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    """Yield file, line and function of each call that led from the cell into the SDK."""
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            return
        if not trace.tb_frame.f_globals.get("__name__", "").startswith(("IPython.", "ipykernel.")):
            yield code.co_filename, trace.tb_lineno, code.co_name
        trace = trace.tb_next


def _describe(shell: object, file: str, number: int, function: str) -> list[str]:
    describe = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)
    label, name = describe(file) or ("File", file)
    inside = "" if function == "<module>" else f", in {function}"
    source = linecache.getline(file, number).strip()
    # A cell may have a key in it, and the output of a cell is shared more easily.
    shown = [f"    {source}"] if source and "nbci_" not in source else []
    return [f"{label} {name}, line {number}{inside}", *shown]
