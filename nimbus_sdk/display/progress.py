"""What happens while something long is going on, as events; and who shows them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from nimbus_sdk.display.terminal import is_notebook, is_terminal

if TYPE_CHECKING:
    from typing import Literal

    from rich.console import RenderableType

    Stage = Literal[
        "wait", "validate", "token", "release", "download", "verify", "unpack", "probe", "save", "done"
    ]


import time
from html import escape
from typing import TYPE_CHECKING


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step, or a part of it.

    Attributes:
        stage: Which step.
        message: The step in words, without any secret.
        done: Bytes so far, or None where nothing is counted.
        total: Bytes in all, likewise.
    """

    stage: Stage
    message: str
    done: int | None = None
    total: int | None = None


Report: TypeAlias = Callable[[ProgressEvent], None]


@contextmanager
def reporting(progress: Report | bool | None, quiet: bool) -> Iterator[Report]:
    """The function that takes events while the block runs.

    Args:
        progress: A function of one's own; True for a bar; False for none; None for a bar where someone
            looks: in a terminal or a notebook.
        quiet: What ``NIMBUS_SDK_NO_PROGRESS`` says; it silences only what None would show.
    """
    if callable(progress):
        yield progress
        return
    notebook = is_notebook()
    if progress is False or (progress is None and (quiet or not (notebook or is_terminal(sys.stderr)))):
        yield _silent
        return
    if notebook:
        with html_progress() as report:
            yield report
        return
    with _bar() as report:
        yield report


def _silent(event: ProgressEvent) -> None:
    """Show nothing."""


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TransferSpeedColumn,
    )

    class OfBytes(ProgressColumn):
        """A column that stays empty for a step of which nothing is counted."""

        def __init__(self, column: ProgressColumn) -> None:
            super().__init__()
            self.column = column

        def render(self, task: Task) -> RenderableType:
            return "" if task.total is None else self.column(task)

    counted = (OfBytes(BarColumn()), OfBytes(DownloadColumn()), OfBytes(TransferSpeedColumn()))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *counted)
    bars = Progress(*columns, console=Console(stderr=True), transient=False)
    step = bars.add_task("Starting", total=None)

    def report(event: ProgressEvent) -> None:
        nonlocal step
        # Not before the first event: a live bar would draw over the hidden question for the key.
        bars.start()
        before = bars.tasks[-1]
        if before.description != event.message:
            # A line of its own, lest rich goes on to show the bytes of the step before. Theirs stays.
            if before.total is None:
                bars.remove_task(step)
            step = bars.add_task(event.message, total=None)
        bars.update(step, completed=event.done, total=event.total)

    try:
        yield report
    finally:
        bars.stop()


REDRAW_SECONDS = 0.1


@contextmanager
def html_progress() -> Iterator[Callable[[ProgressEvent], None]]:
    """A function that shows events as one bar in the cell that runs."""
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    drawn = 0.0

    def report(event: ProgressEvent) -> None:
        nonlocal drawn
        now = time.monotonic()
        if event.done is not None and event.done != event.total and now - drawn < REDRAW_SECONDS:
            return
        drawn = now
        handle.update(HTML(progress_html(event)))

    yield report


def progress_html(event: ProgressEvent) -> str:
    """One event as HTML.

    Example:
        >>> from nimbus_sdk.display.progress import ProgressEvent
        >>> progress_html(ProgressEvent("validate", "Key <ok>"))
        '<div>Key &lt;ok&gt;</div>'
    """
    text = escape(event.message)
    if event.done is None or not event.total:
        return f"<div>{text}</div>"
    share = f"{event.done / 2**20:.1f} of {event.total / 2**20:.1f} MiB"
    return f"<div>{text} <progress value='{event.done}' max='{event.total}'></progress> {share}</div>"
