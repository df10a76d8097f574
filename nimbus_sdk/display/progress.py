"""Progress of long operations as events, drawn as a bar in a terminal or a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import IO, TYPE_CHECKING, Literal, TypeAlias, cast

from nimbus_sdk.display.terminal import is_notebook, is_terminal
from nimbus_sdk.display.waiting import can_start_threads
from nimbus_sdk.errors.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

Stage: TypeAlias = Literal[
    "wait", "validate", "token", "release", "download", "verify", "unpack", "probe", "save", "done"
]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of an operation, or a part of it.

    Attributes:
        stage: Name of the step.
        message: Description of the step, without secrets.
        done: Bytes so far, or None if nothing is counted.
        total: Bytes in all, or None.
        retry_in: Seconds until the next attempt of a download that is interrupted, else None.
    """

    stage: Stage
    message: str
    done: int | None = None
    total: int | None = None
    retry_in: float | None = None


Report: TypeAlias = Callable[[ProgressEvent], None]
STALL_SECONDS = 3.0


@contextmanager
def reporting(progress: Report | bool | None, quiet: bool) -> Iterator[Report]:
    """Yield the function that receives the events of the block.

    Args:
        progress: Your own function; True for a bar; False for none; None for a bar if there is a terminal or
            a notebook.
        quiet: The setting ``NIMBUS_SDK_NO_PROGRESS``; it counts only if ``progress`` is None.
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


def download_report(report: Report, title: str) -> Callable[[int, int, float | None], None]:
    """Return a function that reports the bytes of a download so far, all bytes, and the wait if it has one.

    Example:
        >>> download_report(print, "Downloading it")(5, 9, 2.5)
        ProgressEvent(stage='download', message='Downloading it', done=5, total=9, retry_in=2.5)
    """
    return lambda done, total, retry_in: report(ProgressEvent("download", title, done, total, retry_in))


def _silent(event: ProgressEvent) -> None:
    """Ignore an event."""


class _PrintableStream:
    """A stream that never refuses a character."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(printable(text, self._stream))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


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
    from rich.table import Column
    from rich.text import Text

    class BytesColumn(ProgressColumn):
        """A column that is empty for a step without a count of bytes."""

        def __init__(self, column: ProgressColumn, table_column: Column | None = None) -> None:
            super().__init__(table_column or Column(no_wrap=True))
            self.column = column

        def render(self, task: Task) -> RenderableType:
            return "" if task.total is None else self.column(task)

    class SpeedColumn(TransferSpeedColumn):
        """The speed, the time until the next attempt, or that for which there has been no data."""

        def render(self, task: Task) -> Text:
            now = time.monotonic()
            text = f"no data for {now - task.fields['at']:.0f} s"
            if now < task.fields["retry_at"]:
                text = f"next attempt in {task.fields['retry_at'] - now:.0f} s"
            elif task.finished or now - task.fields["at"] < STALL_SECONDS:
                return super().render(task)
            return Text(text, style="progress.data.speed")

    # rich checks the encoding of the stream for some of what it draws, and not for the rest.
    stream = None if sys.stderr is None else cast("IO[str]", _PrintableStream(sys.stderr))
    console = Console(file=stream, stderr=True)
    columns = (
        SpinnerColumn("line" if console.options.ascii_only else "dots"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        # A bar without a width of its own is what becomes shorter in a narrow terminal.
        BytesColumn(BarColumn(bar_width=None), Column(max_width=40)),
        BytesColumn(DownloadColumn()),
        BytesColumn(SpeedColumn()),
    )
    bars = Progress(*columns, console=console, transient=False, auto_refresh=can_start_threads())
    step = bars.add_task("Starting", total=None)
    latest: ProgressEvent | None = None

    def report(event: ProgressEvent) -> None:
        nonlocal step, latest
        # Started with the first event: a live bar would draw over the prompt for the key.
        bars.start()
        if latest is None or event.stage != latest.stage:
            # A new line, since rich would go on to display the bytes of the step before. Its line stays.
            if bars.tasks[-1].total is None:
                bars.remove_task(step)
            step = bars.add_task(event.message, total=None, at=time.monotonic())
        elif event.done != latest.done:
            bars.update(step, at=time.monotonic())
        bars.update(
            step,
            description=event.message,
            completed=event.done,
            total=event.total,
            retry_at=time.monotonic() + (event.retry_in or 0.0),
        )
        latest = event

    try:
        yield report
    finally:
        finished = latest is not None and latest.stage == "done"
        if finished:
            for number in bars.task_ids:
                bars.remove_task(number)
        bars.stop()
        if latest is not None and finished:
            console.print(Text(f"✓ {latest.message}", style="green"))


REDRAW_SECONDS = 0.1


@contextmanager
def html_progress() -> Iterator[Callable[[ProgressEvent], None]]:
    """Yield a function that draws events as one bar below the running cell."""
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    drawn_at = 0.0

    def report(event: ProgressEvent) -> None:
        nonlocal drawn_at
        now = time.monotonic()
        is_part = event.done is not None and event.done != event.total and event.retry_in is None
        if is_part and now - drawn_at < REDRAW_SECONDS:
            return
        drawn_at = now
        handle.update(HTML(progress_html(event)))

    yield report


def progress_html(event: ProgressEvent) -> str:
    """Return an event as HTML.

    Examples:
        >>> from nimbus_sdk.display.progress import ProgressEvent
        >>> progress_html(ProgressEvent("validate", "Key <ok>"))
        '<div>Key &lt;ok&gt;</div>'
    """
    text = escape(event.message)
    if event.done is None or not event.total:
        return f"<div>{text}</div>"
    share = f"{event.done / 2**20:.1f} of {event.total / 2**20:.1f} MiB"
    if event.retry_in is not None:
        share += f", interrupted, next attempt in {event.retry_in:.0f} s"
    return f"<div>{text} <progress value='{event.done}' max='{event.total}'></progress> {share}</div>"
